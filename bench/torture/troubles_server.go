package main

import (
	"context"
	"syscall"
	"time"
)

// paused are troubles of one node that is stopped and goes on.
func paused(n *node) trouble {
	return trouble{
		"pause " + n.name, time.Second, 6 * time.Second,
		func(context.Context) error { return n.signal(syscall.SIGSTOP) },
		func(context.Context) error { return n.signal(syscall.SIGCONT) },
	}
}

// cables are troubles of the way to a server.
func cables(what string, all ...*cable) (troubles []trouble) {
	each := func(do func(*cable) error) func(context.Context) error {
		return func(context.Context) error {
			for _, c := range all {
				if err := do(c); err != nil {
					return err
				}
			}
			return nil
		}
	}
	mend := each((*cable).mend)
	troubles = append(troubles, trouble{
		"cut off " + what, time.Second, 6 * time.Second,
		each(func(c *cable) error { c.cut(); return nil }), mend,
	})
	for _, hurt := range []struct{ name, how string }{
		{"silence ", silence}, {"reset connections to ", reset}, {"delay ", late}, {"slow down ", slow}, {"time out ", dropped},
	} {
		troubles = append(troubles, trouble{
			hurt.name + what, 2 * time.Second, 6 * time.Second,
			each(func(c *cable) error { return c.hurt(hurt.how) }), mend,
		})
	}
	return troubles
}

// kafkaTroubles are those of every node, in turn, and of the way there.
func kafkaTroubles(k *kafka) (all []trouble) {
	var ways []*cable
	for _, n := range k.nodes {
		ways = append(ways, n.cable)
		all = append(all, trouble{
			"kill " + n.name, 0, 3 * time.Second,
			func(context.Context) error { return n.kill() },
			func(ctx context.Context) error { return k.restart(ctx, n) },
		}, paused(n))
		if len(k.nodes) > 1 {
			all = append(all, cables(n.name, n.cable)[0])
		}
	}
	if k.disk != nil {
		all = append(all, fullDisk(k))
	}
	return append(all, cables("kafka", ways...)...)
}

// redisTroubles are those of every node, of what it holds, and of the way there.
func redisTroubles(r *redis) (all []trouble) {
	for i := range r.nodes {
		name := r.nodes[i].name
		all = append(all, trouble{
			"kill " + name, 0, 3 * time.Second,
			func(context.Context) error { return r.nodes[i].kill() },
			func(ctx context.Context) error { return r.restart(ctx, r.nodes[i]) },
		}, trouble{
			"pause " + name, time.Second, 6 * time.Second,
			func(context.Context) error { return r.nodes[i].signal(syscall.SIGSTOP) },
			func(context.Context) error { return r.nodes[i].signal(syscall.SIGCONT) },
		})
		if r.kind == "replica" && i > 0 {
			continue // nobody writes to it
		}
		say := func(words ...string) func(context.Context) error {
			return func(ctx context.Context) error { return r.nodes[i].say(ctx, words...) }
		}
		all = append(all,
			trouble{"flush " + name, 0, 0, say("flushall"), func(context.Context) error { return nil }},
			trouble{"fill up " + name, time.Second, 6 * time.Second, say("config", "set", "maxmemory", "1"), say("config", "set", "maxmemory", "0")})
	}
	if r.front != nil {
		all = append(all, cables("redis", r.front)...)
	}
	if r.back != nil {
		promotion := trouble{
			"let the replica lag and promote it", time.Second, 6 * time.Second,
			func(context.Context) error { r.back.cut(); return nil }, r.promote,
		}
		all = append(all, promotion, promotion, promotion) // it is what this scenario is for
	}
	return all
}
