package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"optgate/bench/host"
)

// field is where all contestants meet: what was built, the servers that stay up, and what was measured.
type field struct {
	settings
	log         io.Writer
	dir         string // temporary; all that is written lies in it
	bin         string // our programs
	node        string // the program of Node; "" where there is none
	kafka       *host.Process
	redis       *host.Process // nil: gateways embed theirs
	contestants []contestant
	results     *results
	first       uint64 // number of the next webhook
}

// newField builds and starts what the contestants need. What can't be had takes those out who need it.
func newField(ctx context.Context, s settings, log io.Writer) (*field, error) {
	if _, err := os.Stat("bench/compare"); err != nil {
		return nil, errors.New("run it at the top of the repository, as make bench does")
	}
	dir, err := os.MkdirTemp("", "optgate-bench-")
	if err != nil {
		return nil, err
	}
	f := &field{settings: s, log: log, dir: dir, bin: filepath.Join(dir, "bin"), first: uint64(time.Now().Unix()) * 1e6}
	if f.results, err = newResults(ctx, s); err == nil {
		f.choose()
		err = f.build(ctx)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	f.redis, err = host.Script(ctx, "Redis", "bench/real/redis.sh", filepath.Join(dir, "redis"))
	f.lack("a real Redis", err, func(c contestant) bool { return c.flow })
	if f.needs(func(c contestant) bool { return c.kafka == apache }) {
		f.kafka, err = host.Script(ctx, "Kafka", "bench/real/kafka.sh", filepath.Join(dir, "kafka"))
		f.lack("Apache Kafka", err, func(c contestant) bool { return c.kafka == apache })
	}
	if f.needs(func(c contestant) bool { return c.node }) {
		f.lack("Node's packages", f.install(ctx), func(c contestant) bool { return c.node })
	}
	return f, ctx.Err()
}

// choose takes those who are asked for, and bare, whom all are compared to.
func (f *field) choose() {
	f.contestants = slices.DeleteFunc(contestants(), func(c contestant) bool {
		return len(f.Only) > 0 && c.name != bare && !slices.Contains(f.Only, c.name)
	})
}

// sayf tells how it goes.
func (f *field) sayf(format string, about ...any) {
	_, _ = fmt.Fprintf(f.log, format+"\n", about...) // who watches may go away
}

func (f *field) needs(which func(contestant) bool) bool {
	return slices.ContainsFunc(f.contestants, which)
}

// lack takes out who needs what can't be had.
func (f *field) lack(what string, err error, who func(contestant) bool) {
	if err == nil {
		return
	}
	f.sayf("without %s: %v", what, err)
	for _, c := range f.contestants {
		if who(c) {
			f.results.Missing[c.name] = "no " + what
		}
	}
	f.contestants = slices.DeleteFunc(f.contestants, who)
}

// build makes our programs, the gateway as make build makes it.
func (f *field) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", f.bin+"/", //nolint:gosec // ours
		"./cmd/optgate", "./bench/broker", "./bench/peers/bare", "./bench/peers/nethttp-franz", "./bench/peers/nethttp-kafkago")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, text)
	}
	return nil
}

// install fetches the packages of the peers in Node, Node itself among them, as the lock file names them.
func (f *field) install(ctx context.Context) error {
	folder := filepath.Join("bench", "peers")
	own := filepath.Join(folder, "node_modules", ".bin", "node")
	lock, err := os.ReadFile(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return err
	}
	mark := filepath.Join(folder, "node_modules", ".installed")
	if has, err := os.ReadFile(mark); err != nil || !bytes.Equal(has, lock) {
		cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
		cmd.Dir = folder
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("npm ci: %w\n%s", err, text)
		}
		if err := os.WriteFile(mark, lock, 0o600); err != nil { //nolint:gosec // a copy of our own file
			return err
		}
	}
	for _, node := range []string{own, "node"} { // where npm may run no scripts of packages, the machine's own has to do
		if text, err := exec.CommandContext(ctx, node, "--version").Output(); err == nil { //nolint:gosec // one of these two
			f.node = node
			f.results.Versions["Node"] = strings.TrimSpace(string(text))
			return nil
		}
	}
	return errors.New("no node")
}

// apache gives where the real Kafka listens; "" where there is none.
func (f *field) apache() string {
	if f.kafka == nil {
		return ""
	}
	return f.kafka.Address
}

// pids are the processes that stay up all the time.
func (f *field) pids() (all []int) {
	for _, p := range []*host.Process{f.kafka, f.redis} {
		if p != nil {
			all = append(all, p.PID)
		}
	}
	return all
}

// forget empties Redis, so that no contestant meets what another one left.
func (f *field) forget(ctx context.Context) error {
	if f.redis == nil {
		return nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", f.redis.Address)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it was only asked
	if _, err := io.WriteString(conn, "FLUSHALL\r\n"); err != nil {
		return err
	}
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	if err == nil && !bytes.HasPrefix(answer[:n], []byte("+OK")) {
		err = fmt.Errorf("FLUSHALL: %q", answer[:n])
	}
	return err
}

// close stops what stays up, and removes everything.
func (f *field) close() {
	for _, p := range []*host.Process{f.kafka, f.redis} {
		if p != nil {
			p.Stop()
		}
	}
	_ = os.RemoveAll(f.dir) // in the system's temporary folder
}
