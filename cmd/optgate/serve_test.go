package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// actAsProgram makes this test's binary be optgate itself, so that a gateway can run in a process of its own.
const actAsProgram = "ACT_AS_OPTGATE"

func TestMain(m *testing.M) {
	if os.Getenv(actAsProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// startedGateway is a real gateway in a process of its own, with the demo's business.
func startedGateway(t *testing.T) (*child, business) {
	t.Helper()
	t.Setenv(actAsProgram, "1")
	dir := t.TempDir()
	b, config := newBusiness(), filepath.Join(dir, "optgate.yaml")
	writeSettings(t, config, b.settings(filepath.Join(dir, "data"), "127.0.0.1:0", "127.0.0.1:0", "http://127.0.0.1:1/v26.0"))
	log, err := os.Create(filepath.Join(dir, "log")) //nolint:gosec // the test's own folder
	if err != nil {
		t.Fatal(err)
	}
	c := &child{program: os.Args[0], config: config, log: log}
	t.Cleanup(func() {
		c.end()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, b
}

func TestServeIsAskedLogsJSONAndDrains(t *testing.T) {
	gateway, b := startedGateway(t)
	public, private := gateway.addresses()
	if got := command(t, nil, "health", "--url", "http://"+public+"/healthz"); got.code != exitFine {
		t.Errorf("health: %s", got.err)
	}
	api := []string{"--api", "http://" + private, "--token", b.token}
	if got := command(t, nil, append([]string{"lists"}, api...)...); !strings.Contains(got.out, "\nmeta ") {
		t.Errorf("lists: %s%s", got.out, got.err)
	}
	deliverSTOP(t, gateway, b)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := eventually(ctx, "the STOP is in force", func() (bool, error) {
		got := command(t, nil, append([]string{"why", "+44 7700 900295", "--channel", channelID}, api...)...)
		return strings.Contains(got.out, `would be skipped: Optout Number`) && strings.Contains(got.out, `message "stop"`), nil
	}); err != nil {
		t.Error(err)
	}
	if got := command(t, nil, append([]string{"lists", "entries", "default"}, api...)...); !strings.Contains(got.out, "+447700900295") {
		t.Errorf("entries: %s%s", got.out, got.err)
	}
	operator := []string{"--api", "http://" + private, "--token", b.operator}
	if got := command(t, nil, append([]string{"tail", "inbound"}, operator...)...); strings.Count(got.out, "\n") != 1 ||
		!strings.HasPrefix(got.out, `{"topic":"inbound"`) {
		t.Errorf("tail: %s%s", got.out, got.err)
	}
	if got := command(t, nil, append([]string{"dead", "list", "-o", "json"}, operator...)...); got.code != exitFine || got.out != "" {
		t.Errorf("dead: %s%s", got.out, got.err)
	}
	if got := command(t, nil, append([]string{"dead", "list"}, api...)...); got.code != exitFailed || !strings.Contains(got.err, "forbidden") {
		t.Errorf("an account's token reads what spans accounts: %s%s", got.out, got.err)
	}

	if err := gateway.stop(drainTime); err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(gateway.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(log) {
		if !json.Valid(line) {
			t.Errorf("the log holds a line that is no JSON: %s", line)
		}
	}
}

// deliverSTOP lets somebody type STOP.
func deliverSTOP(t *testing.T, gateway *child, b business) {
	t.Helper()
	courier := newCourier(b.appSecret, func() string {
		public, _ := gateway.addresses()
		return "http://" + public + "/webhooks/meta"
	})
	if err := courier.deliver(t.Context(), newCrowd().lateOut[:1], time.Millisecond, func(int) {}); err != nil {
		t.Fatal(err)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	gateway, _ := startedGateway(t)
	public, _ := gateway.addresses()
	connection, err := net.Dial("tcp", public) //nolint:noctx // closed below
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close() //nolint:errcheck // the gateway is gone by then
	// A request that never ends keeps the gateway draining.
	_, err = fmt.Fprintf(connection, "POST /webhooks/meta HTTP/1.1\r\nHost: h\r\nX-Hub-Signature-256: sha256=%064d\r\nContent-Length: 9\r\n\r\n{", 0)
	if err != nil {
		t.Fatal(err)
	}
	signal := func() {
		if err := gateway.process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	signal()
	if err := eventually(t.Context(), "it stops", func() (bool, error) {
		log, err := os.ReadFile(gateway.log.Name())
		return bytes.Contains(log, []byte(`"stopping"`)), err
	}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	signal()
	<-gateway.read
	err = gateway.process.Wait()
	gateway.process = nil
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it ended after %s", took)
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		t.Errorf("it ended with %v", err)
	}
}
