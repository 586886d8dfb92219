package bus_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/embedded"
	"optgate/pipeline/stream"
)

func TestScratchWakeups(t *testing.T) {
	e, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b, err := bus.Open(bus.Config{Brokers: []string{e.Kafka}, Prefix: "t.", Shards: 64, SingleCopy: true}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Bootstrap(t.Context(), "i", ""); err != nil {
		t.Fatal(err)
	}
	for _, topics := range [][]stream.Topic{{stream.Commands}, {stream.Commands, stream.Outcomes, stream.Dead, stream.Inbound}} {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var rounds atomic.Int64
		for _, topic := range topics {
			for p := range 64 {
				f := b.Follow(topic, p, 0)
				all.Go(func() {
					defer f.Close()
					for {
						if _, err := f.Next(ctx); err != nil {
							return
						}
						rounds.Add(1)
					}
				})
			}
		}
		cpu := func() time.Duration {
			var u syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
			return time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
		for _, load := range []bool{false, true} {
			before, n, began := cpu(), rounds.Load(), time.Now()
			tick := time.NewTicker(2 * time.Millisecond)
			sent := 0
			for time.Since(began) < 3*time.Second {
				<-tick.C
				if load {
					go b.Publish(ctx, &stream.Record{Topic: stream.Commands, Partition: 3, Value: []byte("x")})
					sent++
				}
			}
			t.Logf("%d followers, %d records/s: %d rounds/s, %.0f %% of a core", 64*len(topics), sent/3, (rounds.Load()-n)/3, 100*float64(cpu()-before)/float64(3*time.Second))
		}
		cancel()
		all.Wait()
	}
}
