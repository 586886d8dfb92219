package shard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/shard"
)

// gauges notes what an owner tells of itself.
type gauges struct {
	hard, soft, commands, turns, leases int
	lag, most                           int64 // last and largest
	ages                                []time.Duration
	kinds, dead                         []string
}

func (g *gauges) Claimed(hard bool) {
	if hard {
		g.hard++
	} else {
		g.soft++
	}
}

func (g *gauges) Turned(commands int, lag int64) {
	if commands > 0 {
		g.turns++
	}
	g.commands += commands
	g.lag, g.most = lag, max(g.most, lag)
}

func (g *gauges) InForce(kind string, age time.Duration) {
	g.kinds, g.ages = append(g.kinds, kind), append(g.ages, age)
}
func (g *gauges) Leased()            { g.leases++ }
func (g *gauges) Dead(reason string) { g.dead = append(g.dead, reason) }

// meters runs an owner for a simulated time and gives what it told.
func (w *world) meters(d time.Duration, meanwhile func()) *gauges {
	w.t.Helper()
	g := &gauges{}
	o := w.owner(keep)
	o.Metrics = g
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	meanwhile()
	if err := <-ended; err != nil {
		w.t.Error(err)
	}
	return g
}

func TestAnOwnerTellsHowLongItsCommandsTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		made := time.Now()
		raw, err := json.Marshal(kept{Keys: 1})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			c := shard.Command{ID: fmt.Sprint(n), Kind: "keep", Made: made.UnixMilli(), Body: raw}
			r, err := c.Record(0)
			if err != nil {
				t.Fatal(err)
			}
			w.put(r)
		}
		w.command("nonsense", kept{})
		<-time.After(40 * time.Millisecond) // that nobody owned the shard
		g := w.meters(10*time.Second, func() {})
		if len(g.ages) != 3 || g.ages[0] != 40*time.Millisecond || g.kinds[0] != "keep" {
			t.Errorf("in force after %v: %v", g.ages, g.kinds)
		}
		if g.commands != 4 || g.turns != 1 || g.lag != 0 || len(g.dead) != 1 || g.dead[0] != "unknown_command" {
			t.Errorf("told %+v", g)
		}
		if g.hard != 1 || g.soft != 0 || g.leases < 30 {
			t.Errorf("%d hard claims, %d soft, %d leases in 10 s", g.hard, g.soft, g.leases)
		}
	})
}

func TestAnOwnerTellsHowFarItIsBehindAndOfClaimsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for range 5000 {
			w.command("keep", kept{Keys: 1})
		}
		g := w.meters(20*time.Second, func() {
			<-time.After(5 * time.Second)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.at, w.states, w.lease = shard.Position{}, map[string][]byte{}, time.Time{} // Redis is wiped
		})
		if g.commands != 5000 || g.turns != 3 || g.most != 3000 || g.lag != 0 {
			t.Errorf("%d commands in %d turns, behind by %d and at last by %d", g.commands, g.turns, g.most, g.lag)
		}
		if g.hard != 1 || g.soft != 1 {
			t.Errorf("%d hard claims, %d soft", g.hard, g.soft)
		}
	})
}
