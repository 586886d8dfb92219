package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// child is a gateway in a process of its own, so that it can be killed as kill -9 does.
type child struct {
	program string // this binary
	config  string
	log     *os.File // what it says, over all its lives

	process *exec.Cmd     // of its present life; nil where it has none
	read    chan struct{} // closed once its log has ended

	mu              sync.Mutex
	public, private string // where it listens, or did last
}

// readyWithin is how long a gateway may take to serve.
const readyWithin = 20 * time.Second

// start begins a life and waits until it serves.
func (c *child) start(ctx context.Context) error {
	process := exec.Command(c.program, "serve", "--config", c.config) //nolint:gosec,noctx // this binary; it outlives ctx to be drained
	process.Env = environWithout(os.Environ(), "OPTGATE_")
	logged, err := process.StderrPipe()
	if err != nil {
		return fmt.Errorf("gateway's log: %w", err)
	}
	if err := process.Start(); err != nil {
		return fmt.Errorf("start a gateway: %w", err)
	}
	ready, read := make(chan [2]string, 1), make(chan struct{})
	go func() {
		defer close(read)
		c.copyLog(logged, ready)
	}()
	c.process, c.read = process, read
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	select {
	case addresses := <-ready:
		c.mu.Lock()
		c.public, c.private = addresses[0], addresses[1]
		c.mu.Unlock()
		return nil
	case <-read:
		c.end()
		return fmt.Errorf("the gateway ended before it served; its log ends with: %s", c.lastWords())
	case <-ctx.Done():
		c.end()
		return fmt.Errorf("the gateway does not serve: %w", context.Cause(ctx))
	}
}

// copyLog keeps every line and tells the addresses of the one that says ready.
func (c *child) copyLog(from io.Reader, ready chan<- [2]string) {
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadBytes('\n')
		_, _ = c.log.Write(line) // a log that can't be kept stops nothing; leaks looks at what is there
		var said struct {
			Message string `json:"message"`
			Public  string `json:"public"`
			Private string `json:"private"`
		}
		if json.Unmarshal(line, &said) == nil && said.Message == readyMessage {
			ready <- [2]string{said.Public, said.Private}
		}
		if err != nil {
			return
		}
	}
}

// addresses gives where it listens, or listened last.
func (c *child) addresses() (public, private string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.public, c.private
}

// end kills it, as a power cut would. It does nothing where it does not run.
func (c *child) end() {
	if c.process == nil {
		return
	}
	_ = c.process.Process.Kill() // an error says that it has ended by itself
	<-c.read
	_ = c.process.Wait() // it was killed: that is no news
	c.process = nil
}

// stop lets it drain, and is an error if it does not end well.
func (c *child) stop(within time.Duration) error {
	if c.process == nil {
		return errors.New("the gateway does not run")
	}
	if err := c.process.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the gateway: %w", err)
	}
	cut := time.AfterFunc(within, func() { _ = c.process.Process.Kill() })
	defer cut.Stop()
	<-c.read
	err := c.process.Wait()
	c.process = nil
	if err != nil {
		return fmt.Errorf("the gateway was asked to stop: %w", err)
	}
	return nil
}

// lastWords gives the last line of its log.
func (c *child) lastWords() string {
	log, err := os.ReadFile(c.log.Name())
	if err != nil {
		return err.Error()
	}
	said := strings.Split(strings.TrimSpace(string(log)), "\n")
	return said[len(said)-1]
}

// environWithout drops the variables of a prefix.
func environWithout(environ []string, prefix string) []string {
	var rest []string
	for _, variable := range environ {
		if !strings.HasPrefix(variable, prefix) {
			rest = append(rest, variable)
		}
	}
	return rest
}
