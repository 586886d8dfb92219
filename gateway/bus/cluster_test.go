package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/pipeline/stream"
)

// node is one broker of a cluster that bench/real/kafka.sh has started.
type node struct{ dir, address string }

func nodes(t *testing.T, cluster string) (all []node, addresses []string) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(cluster, "[0-9]"))
	if err != nil || len(dirs) < 3 {
		t.Fatalf("%s holds %d nodes (%v)", cluster, len(dirs), err)
	}
	for _, dir := range dirs {
		properties, err := os.ReadFile(filepath.Join(dir, "server.properties"))
		if err != nil {
			t.Fatal(err)
		}
		address := regexp.MustCompile(`advertised.listeners=PLAINTEXT://(\S+)`).FindSubmatch(properties)
		if address == nil {
			t.Fatalf("%s names no address", dir)
		}
		all = append(all, node{dir, string(address[1])})
		addresses = append(addresses, string(address[1]))
	}
	return all, addresses
}

// bounce kills a broker without warning, and starts it again a while later.
func (n node) bounce(ctx context.Context, t *testing.T) {
	text, err := os.ReadFile(filepath.Join(n.dir, "pid"))
	if err != nil {
		t.Error(err)
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Error(err)
		return
	}
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Errorf("kill %s: %v", n.dir, err)
	}
	if !wait(ctx, 2*time.Second) {
		return
	}
	if out, err := exec.CommandContext(ctx, "../../bench/real/kafka.sh", "restart", n.dir).CombinedOutput(); err != nil {
		t.Errorf("restart %s: %v\n%s", n.dir, err, out)
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// TestBrokersMayDie kills the brokers of the cluster in the directory that OPTGATE_TEST_KAFKA_CLUSTER names, in turn, while
// everybody is at work: with three copies nothing acknowledged is lost, doubled or out of order.
func TestBrokersMayDie(t *testing.T) {
	cluster := os.Getenv("OPTGATE_TEST_KAFKA_CLUSTER")
	if cluster == "" {
		return
	}
	all, addresses := nodes(t, cluster)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	const shards = 6
	prefix := fmt.Sprintf("test-%d.", time.Now().UnixNano())
	b, err := bus.Open(bus.Config{Brokers: addresses, Prefix: prefix, Shards: shards}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if _, err := b.Bootstrap(ctx, "i", ""); err != nil {
		t.Fatal(err)
	}

	working, done := context.WithCancel(ctx)
	var workers sync.WaitGroup
	var mu sync.Mutex
	published, appended, handled := map[int]int{}, map[int]int{}, map[string]bool{}
	worst := time.Duration(0)
	for p := range shards {
		workers.Go(func() { // a publisher that waits for each answer
			for i := 0; working.Err() == nil; i++ {
				began := time.Now()
				r := &stream.Record{Topic: stream.Events, Partition: p, Value: fmt.Append(nil, i)}
				if err := b.Publish(ctx, r); err != nil || r.Offset != int64(i) {
					t.Errorf("record %d of partition %d: at %d, %v", i, p, r.Offset, err)
					return
				}
				mu.Lock()
				published[p], worst = i+1, max(worst, time.Since(began))
				mu.Unlock()
				wait(working, 5*time.Millisecond)
			}
		})
		workers.Go(func() { // an owner whom nobody deposes
			owned := b.Own("shard", p)
			if err := owned.Claim(ctx); err != nil {
				t.Error(err)
				return
			}
			for i := 0; working.Err() == nil; i++ {
				base, err := owned.Append(ctx, stream.Consent, []*stream.Record{{Value: fmt.Append(nil, i)}})
				if err != nil || base != int64(i) {
					t.Errorf("append %d to shard %d: at %d, %v", i, p, base, err)
					return
				}
				mu.Lock()
				appended[p] = i + 1
				mu.Unlock()
				wait(working, 10*time.Millisecond)
			}
		})
	}
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	var consumer sync.WaitGroup
	consumer.Go(func() {
		err := b.Consume(consuming, "readers", stream.Events, func(_ context.Context, batch []stream.Record) error {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range batch {
				handled[fmt.Sprintf("%d/%s", r.Partition, r.Value)] = true
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	for _, n := range append(all, all[0]) {
		n.bounce(ctx, t)
		wait(ctx, 6*time.Second)
	}
	done()
	workers.Wait()
	total := 0
	for p := range shards {
		total += published[p]
		for topic, count := range map[stream.Topic]int{stream.Events: published[p], stream.Consent: appended[p]} {
			next := 0
			_, end, err := b.Ends(ctx, topic, p)
			if err != nil {
				t.Fatal(err)
			}
			err = b.Read(ctx, topic, p, 0, end, func(r stream.Record) error {
				if string(r.Value) != strconv.Itoa(next) {
					return fmt.Errorf("%s where %d was due", r.Value, next)
				}
				next++
				return nil
			})
			if err != nil || next != count {
				t.Errorf("%s/%d: %d records of %d acknowledged (%v)", topic, p, next, count, err)
			}
		}
	}
	for {
		mu.Lock()
		n := len(handled)
		mu.Unlock()
		if n == total {
			break
		}
		if !wait(ctx, 100*time.Millisecond) {
			t.Fatalf("the group handled %d of %d", n, total)
		}
	}
	stop()
	consumer.Wait()
	t.Logf("%d records published, the slowest took %v", total, worst)
}
