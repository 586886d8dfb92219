// Package host is what a measurement knows of the machine it runs on: programs that it starts, their processor time and memory,
// what others took meanwhile, and how the machine is described.
package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program that we started.
type Process struct {
	Name    string
	PID     int
	Address string // host:port where it listens
	Stop    func() // ends it and waits; a second call does nothing
}

// starting bounds the time that a program may take to listen.
const starting = 60 * time.Second

// Launch starts a program and waits until a line of what it says tells where it listens.
func Launch(ctx context.Context, name string, cmd *exec.Cmd, listens func(line string) (address string, ok bool)) (*Process, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Start()
	_ = out.Close() // the program has its own
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	heard, said := make(chan string, 1), &tail{}
	var reading sync.WaitGroup
	reading.Go(func() { listen(in, said, listens, heard) })
	p := &Process{Name: name, PID: cmd.Process.Pid}
	p.Stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		over := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // how it ends is not what is measured
		over.Stop()
		reading.Wait()
		_ = in.Close()
	})
	var ok bool
	select {
	case p.Address, ok = <-heard:
		if ok {
			return p, nil
		}
		err = errors.New("it ended")
	case <-time.After(starting):
		err = errors.New("it does not say where it listens")
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.Stop()
	return nil, fmt.Errorf("%s: %w; it said: %s", name, err, said)
}

// listen reads to the end, and tells the first line that says where the program listens.
func listen(in io.Reader, said *tail, listens func(string) (string, bool), heard chan<- string) {
	defer close(heard)
	told := false
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		said.add(lines.Text())
		if told {
			continue
		}
		if address, ok := listens(lines.Text()); ok {
			heard <- address
			told = true
		}
	}
	_, _ = io.Copy(io.Discard, in) // a line that is too long must not stop the program
}

// tail is the end of what a program said.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > 20 {
		t.lines = t.lines[1:]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// Said reads the line by which our own small programs tell where they listen.
func Said(line string) (string, bool) { return strings.CutPrefix(line, "listening on ") }

// Script starts a server by one of the scripts in bench/real, which prints its process id and its address.
func Script(ctx context.Context, name, file, dir string) (*Process, error) {
	cmd := exec.CommandContext(ctx, file, "start", dir) //nolint:gosec // ours
	text, err := cmd.Output()
	if err != nil {
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(failed.Stderr)))
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &Process{Name: name}
	if _, err := fmt.Sscan(string(text), &p.PID, &p.Address); err != nil {
		return nil, fmt.Errorf("%s says %q: %w", file, text, err)
	}
	p.Stop = sync.OnceFunc(func() { _ = exec.Command(file, "stop", strconv.Itoa(p.PID)).Run() }) //nolint:gosec,noctx // also after ctx ended
	return p, nil
}
