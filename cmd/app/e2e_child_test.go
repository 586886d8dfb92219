package app_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/cmd/app"
	"optgate/configs"
)

// childConfig names the configuration of a gateway that this test binary is to be, instead of running tests.
const childConfig = "OPTGATE_TEST_CHILD"

func TestMain(m *testing.M) {
	if file := os.Getenv(childConfig); file != "" {
		if err := serve(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	flag.Set("test.parallel", "4") // stories wait more than they work
	os.Exit(m.Run())
}

// serve is the gateway until its standard input ends, as it does when whoever started it is gone.
func serve(file string) error {
	config, err := configs.Load(configs.Sources{File: file})
	if err != nil {
		return err
	}
	log := zerolog.New(zerolog.SyncWriter(os.Stderr)).Level(zerolog.DebugLevel).With().Timestamp().Logger()
	gateway, err := app.Start(context.Background(), app.Options{Config: *config, Log: log, Version: "child"})
	if err != nil {
		return err
	}
	defer gateway.Stop()
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// child is a gateway in a process of its own, so that it can be killed.
type child struct {
	process *exec.Cmd
	stdin   io.Closer
	logged  chan struct{} // closed once its log has ended
}

// spawn starts a gateway of the world's settings in another process, and waits until it serves.
func (w *world) spawn() *child {
	w.t.Helper()
	settings, err := json.Marshal(w.settings)
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.t.TempDir(), "optgate.yaml")
	if err := os.WriteFile(file, settings, 0o600); err != nil {
		w.t.Fatal(err)
	}
	c := &child{process: exec.Command(os.Args[0]), logged: make(chan struct{})}
	c.process.Env = []string{childConfig + "=" + file}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "OPTGATE_") {
			c.process.Env = append(c.process.Env, variable)
		}
	}
	stderr, err1 := c.process.StderrPipe()
	stdout, err2 := c.process.StdoutPipe()
	stdin, err3 := c.process.StdinPipe()
	if err1 != nil || err2 != nil || err3 != nil {
		w.t.Fatal(err1, err2, err3)
	}
	c.stdin = stdin
	if err := c.process.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(c.logged)
		io.Copy(w.log, stderr)
	}()
	w.t.Cleanup(c.kill)
	ready := make(chan string, 1)
	go func() {
		said := make([]byte, 5)
		n, _ := io.ReadFull(stdout, said)
		ready <- string(said[:n])
	}()
	select {
	case said := <-ready:
		if said != "ready" {
			w.t.Fatalf("the gateway ended before it served:\n%s", w.log.complaints(20))
		}
	case <-time.After(bootTime):
		w.t.Fatalf("the gateway does not serve:\n%s", w.log.complaints(20))
	}
	return c
}

// kill ends it as a power cut does. A second call does nothing.
func (c *child) kill() {
	if c.process.ProcessState != nil {
		return
	}
	c.process.Process.Signal(syscall.SIGKILL)
	<-c.logged
	c.process.Wait()
	c.stdin.Close()
}
