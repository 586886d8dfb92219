package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// node is one process of a server.
type node struct {
	name  string // as troubles name it
	dir   string
	pid   int
	port  string // where it listens
	cable *cable // nil: clients reach it directly
}

// signal sends the node's process a signal.
func (n *node) signal(s syscall.Signal) error {
	if !n.runs() {
		return fmt.Errorf("%s does not run", n.name)
	}
	if err := syscall.Kill(n.pid, s); err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	return nil
}

// runs says whether its process is there: the number of one that has ended may be another's.
func (n *node) runs() bool {
	if n.pid <= 0 {
		return false
	}
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(n.pid), "cmdline"))
	return err == nil && (bytes.Contains(line, []byte(n.dir)) || bytes.Contains(line, []byte(local(n.port))))
}

// kill ends it as a power cut does, and waits until it is gone.
func (n *node) kill() error {
	err := n.signal(syscall.SIGKILL)
	pid := n.pid
	n.pid = 0
	if err != nil {
		return err
	}
	for range 500 {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || isZombie(pid) {
			return nil
		}
		pause(context.Background(), 10*time.Millisecond)
	}
	return fmt.Errorf("%s is still there", n.name)
}

// isZombie says whether a process has ended though nobody has waited for it: scripts start servers and go.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && bytes.Contains(stat, []byte(") Z "))
}

// scriptWithin is how long a script may take, on a busy machine.
const scriptWithin = 3 * time.Minute

// script runs one of the scripts that start servers, and gives the lines it prints: a process id and an address each. Once
// begun it is not interrupted, also not by Ctrl-C: what it had started would be nobody's.
func script(ctx context.Context, name string, env []string, arguments ...string) (pids []int, addresses []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scriptWithin)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join("bench", "real", name), arguments...) //nolint:gosec // ours
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Env = append(os.Environ(), env...)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	printed, err := command.Output()
	for line := range strings.Lines(string(printed)) {
		pid, address, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, numberErr := strconv.Atoi(pid)
		if numberErr != nil {
			return nil, nil, fmt.Errorf("%s printed %q", name, line)
		}
		pids, addresses = append(pids, n), append(addresses, address)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(arguments, " "), err, bytes.TrimSpace(complaints.Bytes()))
	}
	return pids, addresses, err
}

// freePort gives a port of the loopback interface that nobody listens at, below those that connections are given.
func freePort() (string, error) {
	for range 200 {
		port := strconv.Itoa(12_000 + rand.IntN(8_000))       //nolint:gosec // chance, not a secret
		listener, err := net.Listen("tcp", "127.0.0.1:"+port) //nolint:noctx // it listens at once
		if err == nil {
			return port, listener.Close()
		}
	}
	return "", errors.New("no free port")
}

func local(port string) string { return "127.0.0.1:" + port }
