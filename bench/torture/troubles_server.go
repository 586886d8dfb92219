package main

import (
	"context"
	"syscall"
	"time"
)

// nothing is an end that needs nothing, or a beginning.
func nothing(context.Context) error { return nil }

// paused is the trouble of a node that is stopped and goes on.
func paused(of func() *node, name string) trouble {
	return trouble{
		name: "pause " + name, least: time.Second, most: 6 * time.Second,
		begin: func(context.Context) error { return of().signal(syscall.SIGSTOP) },
		end:   func(context.Context) error { return of().signal(syscall.SIGCONT) },
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
		name: "cut off " + what, least: time.Second, most: 6 * time.Second,
		begin: each(func(c *cable) error { c.cut(); return nil }), end: mend,
	})
	for _, hurt := range []struct{ name, how string }{
		{"silence ", silence}, {"reset connections to ", reset}, {"delay ", late}, {"slow down ", slow}, {"time out ", dropped},
	} {
		troubles = append(troubles, trouble{
			name: hurt.name + what, least: 2 * time.Second, most: 6 * time.Second,
			begin: each(func(c *cable) error { return c.hurt(hurt.how) }), end: mend,
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
			name: "kill " + n.name, most: 3 * time.Second, own: len(k.nodes) > 1,
			begin: func(context.Context) error { return n.kill() },
			end:   func(ctx context.Context) error { return k.restart(ctx, n) },
		}, paused(func() *node { return n }, n.name))
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
		node := func() *node { return r.nodes[i] } // promotion exchanges them
		all = append(all, trouble{
			name: "kill " + name, most: 3 * time.Second, own: r.kind == "cluster",
			begin: func(context.Context) error { return node().kill() },
			end:   func(ctx context.Context) error { return r.restart(ctx, node()) },
		}, paused(node, name))
		if r.kind == "replica" && i > 0 {
			continue // nobody writes to it
		}
		say := func(words ...string) func(context.Context) error {
			return func(ctx context.Context) error { return node().say(ctx, words...) }
		}
		all = append(all, trouble{
			name: "flush " + name, begin: say("flushall"), end: nothing, own: r.kind == "one",
		}, trouble{
			name: "fill up " + name, least: time.Second, most: 6 * time.Second,
			begin: say("config", "set", "maxmemory", "1"), end: say("config", "set", "maxmemory", "0"),
		})
	}
	if r.front != nil {
		all = append(all, cables("redis", r.front)...)
	}
	if r.back != nil {
		all = append(all, trouble{
			name: "let the replica lag and promote it", least: time.Second, most: 6 * time.Second, own: true,
			begin: func(context.Context) error { r.back.cut(); return nil }, end: r.promote,
		})
	}
	return all
}
