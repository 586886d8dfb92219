package main

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

// process is a program that we started.
type process struct {
	name    string
	pid     int
	address string // host:port where it listens
	stop    func()
}

// starting bounds the time that a program may take to listen.
const starting = 60 * time.Second

// launch starts a program and waits until a line of what it says tells where it listens.
func launch(ctx context.Context, name string, cmd *exec.Cmd, listens func(line string) (address string, ok bool)) (*process, error) {
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
	p := &process{name: name, pid: cmd.Process.Pid}
	p.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		over := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // how it ends is not what is measured
		over.Stop()
		reading.Wait()
		_ = in.Close()
	})
	var ok bool
	select {
	case p.address, ok = <-heard:
		if ok {
			return p, nil
		}
		err = errors.New("it ended")
	case <-time.After(starting):
		err = errors.New("it does not say where it listens")
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.stop()
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

// said reads the line by which our own small programs tell where they listen.
func said(line string) (string, bool) { return strings.CutPrefix(line, "listening on ") }

// script starts a server by one of the scripts in bench/real, which prints its process id and its address.
func script(ctx context.Context, name, file, dir string) (*process, error) {
	cmd := exec.CommandContext(ctx, file, "start", dir) //nolint:gosec // ours
	text, err := cmd.Output()
	if err != nil {
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(failed.Stderr)))
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name}
	if _, err := fmt.Sscan(string(text), &p.pid, &p.address); err != nil {
		return nil, fmt.Errorf("%s says %q: %w", file, text, err)
	}
	p.stop = sync.OnceFunc(func() { _ = exec.Command(file, "stop", strconv.Itoa(p.pid)).Run() }) //nolint:gosec,noctx // also after ctx ended
	return p, nil
}
