package bus_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/bus/bustest"
	"optgate/gateway/embedded"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

func TestEmbeddedKafka(t *testing.T) {
	e, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	bustest.Run(t, []string{e.Kafka})
}

// TestAClosedBusLeavesNothingBehind: no goroutine, also while Kafka is away, and whoever still waits is told.
func TestAClosedBusLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	e, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bus.Open(bus.Config{Brokers: []string{e.Kafka}, Prefix: "t.", Shards: 2, SingleCopy: true}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Bootstrap(t.Context(), "i", ""); err != nil {
		t.Fatal(err)
	}
	f := b.Follow(stream.Commands, 0, 0)
	if _, err := f.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	handled := make(chan struct{}, 8)
	var members sync.WaitGroup
	members.Go(func() {
		_ = b.Consume(ctx, "g", stream.Inbound, func(context.Context, []stream.Record) error { handled <- struct{}{}; return nil })
	})
	if err := b.Publish(t.Context(), &stream.Record{Topic: stream.Inbound}); err != nil {
		t.Fatal(err)
	}
	<-handled
	cancel()
	members.Wait()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 2)
	go func() { waiting <- b.Publish(t.Context(), &stream.Record{Topic: stream.Inbound}) }()
	go func() {
		for {
			if _, err := f.Next(t.Context()); err != nil {
				waiting <- err
				return
			}
		}
	}()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-waiting; err == nil {
			t.Error("published, or followed, without Kafka")
		}
	}
	if err := b.Publish(t.Context(), &stream.Record{Topic: stream.Inbound}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("published by a closed bus: %v", err)
	}
	if _, err := b.Follow(stream.Commands, 0, 0).Next(t.Context()); err == nil {
		t.Error("followed by a closed bus")
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 64<<10)
			t.Fatalf("%d goroutines more than before:\n%s", runtime.NumGoroutine()-before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// TestRealKafka tries the brokers that OPTGATE_TEST_KAFKA names, if any.
func TestRealKafka(t *testing.T) {
	for brokers := range strings.FieldsSeq(os.Getenv("OPTGATE_TEST_KAFKA")) {
		bustest.Run(t, strings.Split(brokers, ","))
	}
}
