package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// redis is a real Redis: one server behind a cable, three that are a Cluster, or a primary with a replica.
type redis struct {
	kind  string // one, cluster, replica
	nodes []*node
	front *cable // from clients to the server, or to the primary; nil in a Cluster
	back  *cable // from the replica to the primary; nil elsewhere
}

// startRedis starts one. What has been started is stopped by stop, also after an error.
func startRedis(ctx context.Context, dir, kind string) (r *redis, err error) {
	r = &redis{kind: kind}
	if kind == "cluster" {
		pids, addresses, err := script(ctx, "redis.sh", nil, "cluster", dir)
		for i, pid := range pids {
			_, port, _ := net.SplitHostPort(addresses[i])
			r.nodes = append(r.nodes, &node{name: fmt.Sprintf("redis %d", i+1), dir: filepath.Join(dir, fmt.Sprint(i+1)), pid: pid, port: port})
		}
		return r, err
	}
	primary, err := r.launch(ctx, "redis", filepath.Join(dir, "1"))
	if err != nil {
		return r, err
	}
	if r.front, err = cableTo(primary.port); err != nil || kind == "one" {
		return r, err
	}
	if r.back, err = cableTo(primary.port); err != nil {
		return r, err
	}
	replica, err := r.launch(ctx, "redis replica", filepath.Join(dir, "2"))
	if err != nil {
		return r, err
	}
	return r, r.follow(ctx, replica)
}

// follow makes a node a replica of the primary.
func (r *redis) follow(ctx context.Context, n *node) error {
	host, port, err := net.SplitHostPort(r.back.listen)
	if err != nil {
		return err
	}
	return n.say(ctx, "replicaof", host, port)
}

func cableTo(port string) (*cable, error) {
	own, err := freePort()
	if err != nil {
		return nil, err
	}
	return newCable(local(own), local(port))
}

func (r *redis) launch(ctx context.Context, name, dir string) (*node, error) {
	pids, addresses, err := script(ctx, "redis.sh", nil, "start", dir, "0", "--repl-diskless-sync-delay", "0")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addresses[0])
	n := &node{name: name, dir: dir, pid: pids[0], port: port}
	r.nodes = append(r.nodes, n)
	return n, err
}

// addresses gives what clients connect to.
func (r *redis) addresses() (all []string) {
	if r.front != nil {
		return []string{r.front.listen}
	}
	for _, n := range r.nodes {
		all = append(all, local(n.port))
	}
	return all
}

// restart starts a node again, which is then empty. The second of two is a replica again.
func (r *redis) restart(ctx context.Context, n *node) error {
	pids, _, err := script(ctx, "redis.sh", nil, "restart", n.dir)
	if err != nil {
		return err
	}
	n.pid = pids[0]
	if r.kind == "replica" && n == r.nodes[1] {
		return r.follow(ctx, n)
	}
	return nil
}

// promote lets the replica take over from the primary, which is killed and comes back as the replica's replica.
func (r *redis) promote(ctx context.Context) error {
	old, next := r.nodes[0], r.nodes[1]
	if err := old.kill(); err != nil {
		return err
	}
	if err := next.say(ctx, "replicaof", "no", "one"); err != nil {
		return err
	}
	if err := r.front.lead(local(next.port)); err != nil {
		return err
	}
	if err := r.back.lead(local(next.port)); err != nil {
		return err
	}
	r.nodes[0], r.nodes[1] = next, old
	return r.restart(ctx, old)
}

// say gives a server a command.
func (n *node) say(ctx context.Context, words ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answer, err := exec.CommandContext(ctx, "redis-cli", append([]string{"-e", "-p", n.port}, words...)...).CombinedOutput() //nolint:gosec // ours
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", n.name, words[0], err, bytes.TrimSpace(answer))
	}
	return nil
}

func (r *redis) stop() {
	for _, n := range r.nodes {
		_ = n.signal(syscall.SIGKILL) // it may have ended by itself
	}
	for _, c := range []*cable{r.front, r.back} {
		if c != nil {
			c.cut()
		}
	}
}
