package main

import (
	"context"
	"syscall"
	"time"
)

// longest is how long a gateway that pauses for long does so.
const longest = time.Minute

// stopWithin is how long a gateway may take to end when it is asked to.
const stopWithin = 30 * time.Second

// firstTroubles kill, stop and pause the first pipeline, the first sender, and whoever listens.
func firstTroubles(f fleet) (all []trouble) {
	for _, g := range f {
		if g.name == "pipeline2" || g.name == "sender2" {
			continue
		}
		all = append(all, killed(g, g.name == "pipeline1" || g.name == "sender1"), pausedGateway(g, "", time.Second, 8*time.Second))
		if g.public != "" {
			continue // who asks it to stop takes it out of the load balancer before
		}
		all = append(all, trouble{
			name: "stop " + g.name, most: 2 * time.Second,
			begin: func(context.Context) error { return g.end(syscall.SIGTERM, stopWithin) }, end: again(g), ready: g.ready,
		})
	}
	return all
}

// secondTroubles do the same to the second pipeline and sender, whenever the first ones have theirs; these also pause for so
// long that others have long taken over when they come back.
func secondTroubles(f fleet, total time.Duration) (all []trouble) {
	long := min(longest, total/2)
	for _, g := range append(f.by("pipeline2"), f.by("sender2")...) {
		slept := pausedGateway(g, " for long", long, long)
		slept.own = true
		all = append(all, slept, killed(g, false), pausedGateway(g, "", time.Second, 8*time.Second))
	}
	return all
}

func killed(g *gateway, own bool) trouble {
	return trouble{
		name: "kill " + g.name, most: 3 * time.Second, own: own,
		begin: func(context.Context) error { return g.end(syscall.SIGKILL, time.Minute) }, end: again(g), ready: g.ready,
	}
}

// again starts a gateway once more.
func again(g *gateway) func(context.Context) error {
	return func(context.Context) error { return g.start() }
}

func pausedGateway(g *gateway, how string, least, most time.Duration) trouble {
	return trouble{
		name: "pause " + g.name + how, least: least, most: most,
		begin: func(context.Context) error { return g.signal(syscall.SIGSTOP) },
		end:   func(context.Context) error { return g.signal(syscall.SIGCONT) }, ready: g.ready,
	}
}
