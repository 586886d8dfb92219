package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"optgate/bench/host"
	"optgate/bench/load/offer"
)

// TestMain is also the program that the tests of launch start.
func TestMain(m *testing.M) {
	switch os.Getenv("OPTGATE_TEST_LAUNCHED") {
	case "":
		os.Exit(m.Run())
	case "serves":
		fmt.Println("warming up")
		fmt.Println("listening on 127.0.0.1:7")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is told to stop
	case "ends":
		fmt.Println("no such file")
	}
}

func launched(ctx context.Context, how string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "OPTGATE_TEST_LAUNCHED="+how)
	return cmd
}

func TestAProgramIsUpWhenItSaysWhereItListens(t *testing.T) {
	cmd := launched(t.Context(), "serves")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p, err := host.Launch(t.Context(), "one", cmd, host.Said)
	if err != nil || p.Address != "127.0.0.1:7" {
		t.Fatalf("%+v, %v", p, err)
	}
	if now, most, err := host.MemoryOf(p.PID); err != nil || now <= 0 || most < now {
		t.Errorf("it holds %v and held %v MiB, %v", now, most, err)
	}
	p.Stop()
	p.Stop()
	if _, err := host.ProcessorTime(p.PID); err == nil {
		t.Error("it runs on")
	}
	if _, err := host.Launch(t.Context(), "other", launched(t.Context(), "ends"), host.Said); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("one that ends: %v", err)
	}
}

func TestPromisesAreCountedInKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "inbound"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	w := &kafka.Writer{Addr: kafka.TCP(cluster.ListenAddrs()[0]), Topic: "inbound", Balancer: &kafka.RoundRobin{}, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	defer w.Close()
	if err := w.WriteMessages(t.Context(), make([]kafka.Message, 5)...); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		webhooks, items, unsure int
		perItem, right          bool
	}{
		{5, 9, 0, false, true},
		{3, 5, 0, true, true},
		{6, 6, 0, false, false}, // one is lost
		{6, 6, 9, false, false}, // that others are unsure is no excuse
		{4, 4, 0, false, false}, // one too many
		{4, 4, 1, false, true},  // kept, and the answer was lost
	} {
		turn := &turn{
			standing: &standing{kafka: cluster.ListenAddrs()[0], topic: "inbound", perItem: c.perItem},
			field:    &field{results: &results{}}, said: offer.Kept{Webhooks: c.webhooks, Items: c.items}, unsure: c.unsure,
		}
		if err := turn.keptAll(t.Context()); (err == nil) != c.right {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestWhoTakesForgeriesIsNotMeasured(t *testing.T) {
	for status, right := range map[int]bool{200: false, 401: true, 500: false} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		turn := &turn{standing: &standing{host: s.Listener.Addr().String()}, field: &field{}}
		if err := turn.refusesForgeries(t.Context()); (err == nil) != right {
			t.Errorf("one that answers %d: %v", status, err)
		}
		s.Close()
	}
}

func TestRedisIsEmptiedBetweenContestants(t *testing.T) {
	for answer, right := range map[string]bool{"+OK\r\n": true, "-ERR unknown command\r\n": false} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan string, 1)
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			line := make([]byte, 64)
			n, _ := conn.Read(line)
			asked <- string(line[:n])
			_, _ = io.WriteString(conn, answer)
		}()
		f := &field{redis: &host.Process{Address: listener.Addr().String()}}
		if err := f.forget(t.Context()); (err == nil) != right || <-asked != "FLUSHALL\r\n" {
			t.Errorf("%q: %v", answer, err)
		}
		listener.Close()
	}
}
