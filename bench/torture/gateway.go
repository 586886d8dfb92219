package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// gateway is one process of the program with some of its roles, over all its lives.
type gateway struct {
	name    string // its role and a number
	program string
	config  string // file
	log     *os.File
	public  string // host:port; "": none
	private string

	mu      sync.Mutex
	process *exec.Cmd
	ended   chan struct{} // closed once the present life is over
	wanted  bool          // it is to run
	away    bool          // it was stopped or ended by us, and nobody can expect it to be ready
	lives   int
	deaths  []string // lives that ended though nobody had asked for it
}

// secrets of the made-up business.
const (
	appSecret   = "torture-app-secret-0123456789" //nolint:gosec // of nobody
	apiToken    = "torture-api-token-0123456789"
	verifyToken = "torture-verify-token"
	sendToken   = "torture-send-token"
)

// newGateway writes a configuration for a process with some roles.
func newGateway(dir, program, name, role string, settings map[string]any) (*gateway, error) {
	g := &gateway{name: name, program: program, config: filepath.Join(dir, name+".yaml")}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	g.private = local(port)
	own := map[string]any{
		"roles": []string{role}, "private": map[string]any{"listen": g.private}, "data_dir": filepath.Join(dir, name),
	}
	if role == "ingress" {
		if port, err = freePort(); err != nil {
			return nil, err
		}
		g.public = local(port)
		own["public"] = map[string]any{"listen": g.public}
	}
	maps.Copy(own, settings)
	text, err := json.Marshal(own)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if err := os.WriteFile(g.config, text, 0o600); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	g.log, err = os.Create(filepath.Join(dir, name+".log"))
	return g, err
}

// start begins a life; it does not wait until the gateway is ready.
func (g *gateway) start() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	process := exec.Command(g.program, "serve", "--config", g.config) //nolint:gosec,noctx // the program under test; kill ends it
	process.Stderr, process.Stdout = g.log, g.log
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us alone
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "OPTGATE_") {
			process.Env = append(process.Env, variable)
		}
	}
	if err := process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", g.name, err)
	}
	ended := make(chan struct{})
	g.process, g.ended, g.wanted, g.away = process, ended, true, false
	g.lives++
	go func() {
		defer close(ended)
		err := process.Wait()
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.wanted {
			g.deaths = append(g.deaths, fmt.Sprintf("%s ended by itself: %v", g.name, err))
		}
	}()
	return nil
}

// end sends a signal that ends the present life, and waits for it.
func (g *gateway) end(signal syscall.Signal, patience time.Duration) error {
	g.mu.Lock()
	process, ended := g.process, g.ended
	g.wanted, g.away = false, true
	g.mu.Unlock()
	if process == nil {
		return nil
	}
	_ = process.Process.Signal(signal) // it may have ended by itself
	select {
	case <-ended:
		return nil
	case <-time.After(patience):
		_ = process.Process.Kill()
		<-ended
		return fmt.Errorf("%s did not end within %s", g.name, patience)
	}
}

// signal stops or continues it.
func (g *gateway) signal(signal syscall.Signal) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process == nil {
		return fmt.Errorf("%s does not run", g.name)
	}
	if err := g.process.Process.Signal(signal); err != nil {
		return fmt.Errorf("signal %s: %w", g.name, err)
	}
	g.away = signal == syscall.SIGSTOP
	return nil
}

func (g *gateway) isAway() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.away
}

// readiness is what /readyz says.
type readiness struct {
	Status string `json:"status"`
	Roles  map[string]struct {
		Reason string `json:"reason"`
	} `json:"roles"`
}

// ready says whether it can work, and why not.
func (g *gateway) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.private+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read
	var said readiness
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var reasons []string
	for role, r := range said.Roles {
		reasons = append(reasons, role+": "+r.Reason)
	}
	return fmt.Errorf("%s is not ready: %s", g.name, strings.Join(reasons, "; "))
}

// fleet is all processes of one installation.
type fleet []*gateway

// startFleet writes configurations and starts every role apart, each but the console twice.
func startFleet(dir, program string, settings map[string]any) (f fleet, err error) {
	for _, role := range []string{"ingress", "pipeline", "sender", "console"} {
		for i := range 2 {
			if role == "console" && i > 0 {
				continue
			}
			g, err := newGateway(dir, program, fmt.Sprintf("%s%d", role, i+1), role, settings)
			if err != nil {
				return f, err
			}
			f = append(f, g)
			if err := g.start(); err != nil {
				return f, err
			}
		}
	}
	return f, nil
}

// ready waits until all processes that are not away are ready at the same time: the others do their work.
func (f fleet) ready(ctx context.Context) error {
	for {
		var errs []error
		for _, g := range f {
			if err := g.ready(ctx); err != nil && !g.isAway() {
				errs = append(errs, err)
			}
		}
		if len(errs) == 0 {
			return nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("%w: %w", ctx.Err(), errors.Join(errs...))
		}
	}
}

// by gives the processes whose names begin so.
func (f fleet) by(role string) (some fleet) {
	for _, g := range f {
		if strings.HasPrefix(g.name, role) {
			some = append(some, g)
		}
	}
	return some
}

// stop ends all of them.
func (f fleet) stop() {
	for _, g := range f {
		_ = g.signal(syscall.SIGCONT)
		_ = g.end(syscall.SIGKILL, time.Minute) // Kill always ends it
		_ = g.log.Close()
	}
}
