// Package crowd keeps a server company beside those whose answers are measured: connections that say nothing, requests that
// arrive a byte a second, and webhooks as large as they come. What the server hangs up on comes back a second later.
package crowd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"optgate/bench/load/mix"
)

// Options say who comes.
type Options struct {
	Dial  func(ctx context.Context) (net.Conn, error) // makes a connection to the server
	Mix   mix.Options                                 // of the webhooks that are sent; its kinds are chosen here
	Idle  int                                         // connections that say nothing
	Drip  int                                         // connections on which a request arrives a byte a second: header or body
	Large int                                         // connections that send webhooks of 3 MiB, one after the other
	Batch int                                         // connections that send webhooks of 1,000 items, one after the other
}

// Connections gives how many there are.
func (o *Options) Connections() int { return o.Idle + o.Drip + o.Large + o.Batch }

// Crowd is one that has gathered. Disperse ends it.
type Crowd struct {
	Options
	groups []*group
	leaves context.Context // ends when the crowd is to disperse
	leave  context.CancelFunc
	here   sync.WaitGroup
}

const (
	again   = time.Second      // before somebody comes back
	patient = 10 * time.Second // for a connection, and for the answer to what was sent
)

// Gather opens all connections, and sends from then on. An error says that there is no crowd: not even the connections
// were to be had. A server that takes them and hangs up is no error, and stands in the report.
func Gather(ctx context.Context, o Options) (*Crowd, error) {
	c := &Crowd{Options: o}
	c.leaves, c.leave = context.WithCancel(ctx)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nX-Hub-Signature-256: sha256=%064d\r\n", o.Mix.Path, o.Mix.Host, 0)
	err := c.join("idle", o.Idle, func(int) way { return silent{} })
	if err == nil {
		err = c.join("drip", o.Drip, func(i int) way {
			said := head + "Content-Length: 1000000\r\n\r\n"
			if i%2 == 0 {
				said = head[:20]
			}
			return &drip{said: said, first: rand.N(time.Second)} //nolint:gosec // spreads the drops
		})
	}
	for _, kind := range []struct {
		name, mix string
		n         int
	}{{"large", mix.Large, o.Large}, {"batch", mix.Thousand, o.Batch}} {
		if err == nil && kind.n > 0 {
			err = c.senders(kind.name, kind.mix, kind.n)
		}
	}
	if err != nil {
		c.Disperse()
		return nil, err
	}
	return c, nil
}

// senders join with a webhook that is made and signed before, and the same each time: who makes them shares the machine
// with whoever is measured.
func (c *Crowd) senders(name, kind string, n int) error {
	o := c.Mix
	o.Kinds = kind + "=1"
	m, err := mix.New(o)
	if err != nil {
		return err
	}
	items, _ := m.Items(0)
	return c.join(name, n, func(i int) way { return &sender{request: m.Maker().Make(uint64(i)), items: items} })
}

// way is how a connection behaves. It is for one goroutine.
type way interface {
	// live goes on until the connection ends. Answers are told to the group.
	live(c *Crowd, conn net.Conn, g *group)
}

// join opens connections of one kind.
func (c *Crowd) join(name string, n int, how func(i int) way) error {
	if n == 0 {
		return nil
	}
	g := &group{Group: Group{Kind: name, Asked: n, Answers: map[int]int{}}}
	c.groups = append(c.groups, g)
	for i := range n {
		conn, err := c.dial()
		if err != nil {
			return fmt.Errorf("%s, connection %d of %d: %w", name, i+1, n, err)
		}
		g.came(1)
		w := how(i)
		c.here.Go(func() { c.stay(conn, g, w) })
	}
	return nil
}

func (c *Crowd) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.leaves, patient)
	defer cancel()
	return c.Dial(ctx)
}

// stay keeps one connection open, and opens it again.
func (c *Crowd) stay(conn net.Conn, g *group, how way) {
	for {
		if conn != nil { // else it could not be had
			how.live(c, conn, g)
			_ = conn.Close() // nothing is lost by it
			if c.leaves.Err() != nil {
				return
			}
			g.went()
		}
		if !c.wait(again) {
			return
		}
		var err error
		switch conn, err = c.dial(); {
		case err == nil:
			g.came(1)
		case c.leaves.Err() == nil:
			g.unreached()
		}
	}
}

// wait waits; false where the crowd disperses meanwhile.
func (c *Crowd) wait(d time.Duration) bool {
	select {
	case <-c.leaves.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Disperse lets everybody go, waits for the answers to what was sent as a whole, and says what came of it. A second call
// says the same.
func (c *Crowd) Disperse() []Group {
	for _, g := range c.groups {
		g.end()
	}
	c.leave()
	c.here.Wait()
	var all []Group
	for _, g := range c.groups {
		all = append(all, g.Group)
	}
	return all
}
