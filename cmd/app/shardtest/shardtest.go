// Package shardtest attacks owned partitions: many owners of the same shards that are never told to stop, pauses between
// all steps, kills, wipes, compaction, repeats and random times, and then compares everything that was kept, shown, sent
// and said with an oracle computed from all commands.
package shardtest

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// Mutation takes a protection out, to show that the attack notices.
type Mutation int

// The mutations.
const (
	None         Mutation = iota
	NoFence               // owners append as anybody may
	NoPositions           // writes to the view compare nothing
	ForkedChains          // owners don't go on with the ledger's chain
)

// Target is what is attacked.
type Target struct {
	Brokers []string
	Redis   []string
	Wipe    func()                       // empties Redis
	Compact func(*bus.Bus, string) error // makes the topic with this full name compact within a second; may be nil
	For     time.Duration                // of the attack
	Mutate  Mutation
	Log     zerolog.Logger
}

const (
	shards    = chat.Shards(8)
	processes = 4
	writers   = 3
	askers    = 8
	naps      = 0.04 // chance of a pause at each step of an owner
	account   = "acme"
	groups    = 160
	perGroup  = 5
)

// world is the attacked house.
type world struct {
	Target
	prefix  string
	buses   []*bus.Bus
	stores  []*store.Store
	key     chat.Key
	began   int64
	cast    roles
	ledger  truth
	sent    commands
	counted counts
}

type counts struct {
	mu                                                 sync.Mutex
	owners, kills, moves, wipes, goes, skips, unknowns int
}

func (c *counts) add(which *int) {
	c.mu.Lock()
	*which++
	c.mu.Unlock()
}

// Attack runs the attack and returns what went wrong, and a line of figures.
func Attack(t *testing.T, target Target) (Findings, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), target.For+2*time.Minute)
	defer cancel()
	w := &world{Target: target, prefix: fmt.Sprintf("attack%d.", rand.Uint32()), key: chat.Key("0123456789abcdef"), began: time.Now().UnixMilli()}
	w.cast.w, w.ledger.known, w.sent.all = w, map[chat.Pseudonym]knowledge{}, map[string]said{}
	for range processes {
		b, err := bus.Open(bus.Config{Brokers: target.Brokers, Prefix: w.prefix, Shards: shards, SingleCopy: len(target.Brokers) < 3}, target.Log)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.Close() }()
		s := store.Open(store.Config{Addresses: target.Redis, Prefix: w.prefix, Shards: shards})
		defer func() { _ = s.Close() }()
		w.buses, w.stores = append(w.buses, b), append(w.stores, s)
	}
	if _, err := w.buses[0].Bootstrap(ctx, hex.EncodeToString([]byte(w.prefix)), ""); err != nil {
		t.Fatal(err)
	}
	if target.Compact != nil {
		if err := target.Compact(w.buses[0], w.prefix+string(stream.State)); err != nil {
			t.Fatal(err)
		}
	}
	w.cast.start(ctx)
	w.attack(ctx, t)
	settled := w.settle(ctx)
	defer w.cast.end() // until then their leases stand
	if !settled && target.Mutate == None {
		t.Errorf("not settled within a minute: %s", w.describe(ctx))
	}
	f := w.compare(ctx, t)
	c := &w.counted
	return f, fmt.Sprintf("%v: %d commands, owners %d, kills %d, moves %d, wipes %d; gate said go %d, skip %d, unknown %d",
		target.For, len(w.sent.all), c.owners, c.kills, c.moves, c.wipes, c.goes, c.skips, c.unknowns)
}

// attack lets everything loose until the time is over.
func (w *world) attack(ctx context.Context, t *testing.T) {
	t.Helper()
	stop, over := context.WithTimeout(ctx, w.For)
	defer over()
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			if err := w.write(stop, ctx, n); err != nil {
				t.Errorf("writer %d: %v", n, err)
			}
		})
	}
	for n := range askers {
		all.Go(func() { w.ask(stop, w.stores[n%processes]) })
	}
	for stop.Err() == nil {
		pause(stop, 50*time.Millisecond+rand.N(500*time.Millisecond))
		switch x := rand.IntN(10); {
		case x < 3:
			w.Wipe()
			w.counted.add(&w.counted.wipes)
		case x < 6:
			w.cast.kill()
		default:
			w.cast.move(rand.IntN(int(shards)))
		}
	}
	all.Wait()
	w.cast.mu.Lock()
	w.cast.calm = true
	w.cast.mu.Unlock()
}

// settle waits until every shard has handled all commands and its lease is there, three times in a row, since commands
// beget commands.
func (w *world) settle(ctx context.Context) bool {
	deadline := time.Now().Add(time.Minute)
	for quiet := 0; quiet < 3; {
		if time.Now().After(deadline) {
			return false
		}
		if w.quiet(ctx) {
			quiet++
		} else {
			quiet = 0
		}
		pause(ctx, 100*time.Millisecond)
	}
	return true
}

func (w *world) quiet(ctx context.Context) bool {
	for s := range int(shards) {
		at, err := w.cursor(ctx, s)
		if err != nil {
			return false
		}
		if _, end, err := w.buses[0].Ends(ctx, stream.Commands, s); err != nil || at < end {
			return false
		}
	}
	return true
}

func (w *world) describe(ctx context.Context) (text string) {
	for s := range int(shards) {
		at, err := w.cursor(ctx, s)
		_, end, _ := w.buses[0].Ends(ctx, stream.Commands, s)
		text += fmt.Sprintf("[%d: %d of %d, %v] ", s, at, end, err)
	}
	return text
}

// pause waits; false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
