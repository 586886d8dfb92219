package shardtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"optgate/gateway/bus"
	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// BenchmarkInForce publishes STOPs at a rate, one in ten with a link, and tells how long each took from its due time until its
// owner had written it to the view: p50 and p99 in ms. It stands on OPTGATE_TEST_KAFKA and OPTGATE_TEST_REDIS where they are
// named, else on the embedded kinds with synced writes. Run it with -benchtime 20000x: fewer say little of p99.
func BenchmarkInForce(b *testing.B) {
	brokers, redis := firstOf("OPTGATE_TEST_KAFKA"), firstOf("OPTGATE_TEST_REDIS")
	if brokers == nil {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(b.TempDir()), kfake.SyncWrites())
		if err != nil {
			b.Fatal(err)
		}
		defer cluster.Close()
		brokers = cluster.ListenAddrs()
	}
	if redis == nil {
		memory := miniredis.RunT(b)
		memory.ClockTTL(true)
		redis = []string{memory.Addr()}
	}
	for _, shards := range []chat.Shards{2, 8, 64} {
		for _, rate := range []int{1000, 5000} {
			b.Run(fmt.Sprintf("shards=%d/rate=%d", shards, rate), func(b *testing.B) { inForce(b, brokers, redis, shards, rate) })
		}
	}
}

// firstOf gives the addresses of the first server that a variable names.
func firstOf(variable string) []string {
	if all := strings.Fields(os.Getenv(variable)); len(all) > 0 {
		return strings.Split(all[0], ",")
	}
	return nil
}

func inForce(b *testing.B, brokers, redis []string, shards chat.Shards, rate int) {
	b.Helper()
	cfg := bus.Config{Brokers: brokers, Prefix: fmt.Sprintf("inforce%d.", rand.Uint32()), Shards: shards, SingleCopy: true}
	door, err := bus.Open(cfg, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = door.Close() }()
	view := store.Open(store.Config{Addresses: redis, Prefix: cfg.Prefix, Shards: shards})
	defer func() { _ = view.Close() }()
	if _, err := door.Bootstrap(b.Context(), cfg.Prefix, ""); err != nil {
		b.Fatal(err)
	}
	w := &waits{due: map[string]time.Time{}, done: make(chan struct{}, b.N)}
	ctx, end := context.WithCancel(b.Context())
	var owners sync.WaitGroup
	for s := range int(shards) {
		o := &shard.Owner{
			Shards: shards, Shard: s, Rules: optout.Rules(), Log: door.Own("shard", s), Reader: door, Publisher: door, View: view.View(s),
			Follow: func(from int64) shard.Follower { return door.Follow(stream.Commands, s, from) },
			Holds:  func(context.Context) error { return nil }, Decided: w.note, Logger: zerolog.Nop(),
		}
		owners.Go(func() { _ = o.Run(ctx) })
	}
	defer owners.Wait()
	defer end()
	const warm = 500
	w.publish(b, door, shards, rate, warm)
	w.mu.Lock()
	w.took = w.took[:0]
	w.mu.Unlock()
	b.ResetTimer()
	w.publish(b, door, shards, rate, b.N)
	b.StopTimer()
	slices.Sort(w.took)
	b.ReportMetric(float64(w.took[len(w.took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(w.took[len(w.took)*99/100].Microseconds())/1000, "p99-ms")
}

// waits are the STOPs that are not in force yet, and how long the others took.
type waits struct {
	mu   sync.Mutex
	made int
	due  map[string]time.Time
	took []time.Duration
	done chan struct{}
}

func (w *waits) note(rows []*stream.Record) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range rows {
		var row optout.Row
		if json.Unmarshal(r.Value, &row) != nil {
			continue
		}
		if due, waits := w.due[row.Root]; waits {
			delete(w.due, row.Root)
			w.took = append(w.took, now.Sub(due))
			if len(w.due) == 0 {
				w.done <- struct{}{}
			}
		}
	}
}

// publish makes so many STOPs at the rate, whatever becomes of them, and waits until all are in force.
func (w *waits) publish(b *testing.B, door *bus.Bus, shards chat.Shards, rate, count int) {
	b.Helper()
	var calls sync.WaitGroup
	defer calls.Wait()
	w.mu.Lock()
	w.due["last"] = time.Time{} // so that nothing is done before all are made
	w.mu.Unlock()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for began, sent := time.Now(), 0; sent < count; {
		<-tick.C
		var records []*stream.Record
		for upTo := min(count, int(time.Since(began).Seconds()*float64(rate))); sent < upTo; sent++ {
			records = append(records, w.stop(b, shards, began.Add(time.Duration(sent)*time.Second/time.Duration(rate)))...)
		}
		if len(records) > 0 {
			calls.Go(func() {
				if err := door.Publish(b.Context(), records...); err != nil {
					b.Error(err)
				}
			})
		}
	}
	w.mu.Lock()
	delete(w.due, "last")
	over := len(w.due) == 0
	w.mu.Unlock()
	if over {
		return
	}
	select {
	case <-w.done:
	case <-time.After(time.Minute):
		b.Fatal("some are not in force after a minute")
	}
}

// stop makes the next STOP, of somebody new.
func (w *waits) stop(b *testing.B, shards chat.Shards, due time.Time) []*stream.Record {
	b.Helper()
	w.made++
	key, id := chat.Key("0123456789abcdef"), chat.Identifier(fmt.Sprintf("phone:49%09d", w.made))
	c := optout.Change{
		Who: []optout.Ref{{ID: id, P: key.Pseudonym(id)}}, Out: true,
		Marks:   []optout.Mark{{List: "default", Channel: "wa", At: due.UnixMilli(), Source: optout.SourceMessage, Rule: "stop"}},
		Confirm: &optout.Confirm{Channel: "wa", Given: id.Value(), Texts: []optout.Text{{List: "default", Body: "You will not get any more messages from us."}}},
	}
	if w.made%10 == 0 {
		other := chat.Identifier(fmt.Sprintf("bsuid:DE.%d", w.made))
		c.Who, c.Linked = append(c.Who, optout.Ref{ID: other, P: key.Pseudonym(other)}), true
	}
	root := fmt.Sprint(w.made)
	records, err := c.Records(shards, root, "acme", due.UnixMilli())
	if err != nil {
		b.Fatal(err)
	}
	w.mu.Lock()
	w.due[root] = due
	w.mu.Unlock()
	return records
}
