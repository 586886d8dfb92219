package main

import (
	"context"
	"syscall"
	"time"
)

// longest is how long a gateway that pauses for long does so.
const longest = time.Minute

// gatewayTroubles kill, stop and pause each of the processes. total bounds the long pause.
func gatewayTroubles(f fleet, total time.Duration) (all []trouble) {
	for _, g := range f {
		again := func(context.Context) error { return g.start() }
		all = append(all, trouble{
			"kill " + g.name, 0, 3 * time.Second,
			func(context.Context) error { return g.end(syscall.SIGKILL, time.Minute) }, again,
		}, trouble{
			"pause " + g.name, time.Second, 8 * time.Second,
			func(context.Context) error { return g.signal(syscall.SIGSTOP) },
			func(context.Context) error { return g.signal(syscall.SIGCONT) },
		})
	}
	for _, g := range append(f.by("sender"), f.by("pipeline")...) {
		all = append(all, trouble{
			"stop " + g.name, 0, 2 * time.Second,
			func(context.Context) error { return g.end(syscall.SIGTERM, 30*time.Second) },
			func(context.Context) error { return g.start() },
		})
	}
	for _, role := range []string{"pipeline", "sender"} {
		g := f.by(role)[1]
		long := min(longest, total/3)
		all = append(all, trouble{
			"pause " + g.name + " for long", long, long,
			func(context.Context) error { return g.signal(syscall.SIGSTOP) },
			func(context.Context) error { return g.signal(syscall.SIGCONT) },
		})
	}
	return all
}
