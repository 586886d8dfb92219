package app_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// cable lies between the gateway and a server, and can be cut and joined again. What is cut is gone at once: connections
// break, and new ones find nobody.
type cable struct {
	net.Listener // where the gateway plugs in

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

func newCable(listener net.Listener) *cable {
	return &cable{Listener: listener, conns: map[net.Conn]bool{}}
}

// set cuts the cable or joins it.
func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for conn := range c.conns {
			conn.Close()
		}
		clear(c.conns)
	}
}

// Accept gives the next connection that finds the cable whole.
func (c *cable) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c.keep(conn) {
			return conn, nil
		}
		conn.Close()
	}
}

func (c *cable) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cut {
		c.conns[conn] = true
	}
	return !c.cut
}

// extend lays a cable to a server that listens elsewhere.
func extend(t *testing.T, server string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCable(listener)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := c.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				near.Close()
				continue
			}
			running.Go(func() { pipe(near, far) })
			running.Go(func() { pipe(far, near) })
		}
	})
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		c.set(true)
		running.Wait()
	})
	return c
}

func pipe(from, to net.Conn) {
	io.Copy(to, from)
	from.Close()
	to.Close()
}
