package inbound_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/embedded"
	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// brokerDir names a directory for the embedded Kafka that this test binary is to be, instead of running tests: beside the
// consumer in one process it would share its collector, and a profile would be of both.
const brokerDir = "OPTGATE_TEST_BROKER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(brokerDir); dir != "" {
		if err := broker(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// broker is an embedded Kafka until its standard input ends, as it does when whoever started it is gone.
func broker(dir string) error {
	e, err := embedded.Start(embedded.Options{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println(e.Kafka)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, e.Close())
}

// begin starts a process that ends with the benchmark, and gives its output.
func begin(b *testing.B, process *exec.Cmd) io.Reader {
	b.Helper()
	in, err1 := process.StdinPipe()
	out, err2 := process.StdoutPipe()
	if err := errors.Join(err1, err2, process.Start()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		process.Process.Signal(syscall.SIGTERM)
		process.Wait()
	})
	return out
}

// kafkaAt gives brokers: those of OPTGATE_TEST_KAFKA, else the embedded one in a process of its own.
func kafkaAt(b *testing.B) []string {
	b.Helper()
	if named := strings.Fields(os.Getenv("OPTGATE_TEST_KAFKA")); len(named) > 0 {
		return strings.Split(named[0], ",")
	}
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), brokerDir+"="+b.TempDir())
	address, err := bufio.NewReader(begin(b, process)).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return []string{strings.TrimSpace(address)}
}

// redisAt gives a Redis: that of OPTGATE_TEST_REDIS, else the machine's redis-server, which a machine with only Go lacks:
// then the embedded one, several times slower, as name tells.
func redisAt(b *testing.B) (name string, addresses []string) {
	b.Helper()
	if named := os.Getenv("OPTGATE_TEST_REDIS"); named != "" {
		return "redis", strings.Split(named, ",")
	}
	if server, err := exec.LookPath("redis-server"); err == nil {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		at := free.Addr().String()
		free.Close()
		_, port, _ := strings.Cut(at, ":")
		begin(b, exec.Command(server, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", b.TempDir()))
		return "redis", []string{at}
	}
	e, err := embedded.Start(embedded.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	return "embedded", []string{e.Redis}
}

// BenchmarkConsume works an ordinary day off from inbound to commands and events, with Kafka and Redis in processes of
// their own; an operation is one record. alone: one record at a time is handled in the process; one: one in each of the 16
// partitions, which share their requests to Kafka; batch: what has come of a partition.
func BenchmarkConsume(b *testing.B) {
	name, redis := redisAt(b)
	brokers := kafkaAt(b)
	for _, mode := range []string{"alone", "one", "batch"} {
		b.Run(name+"/"+mode, func(b *testing.B) { benchmarkConsume(b, brokers, redis, mode) })
	}
}

const benchShards = chat.Shards(16)

func benchmarkConsume(b *testing.B, brokers, redis []string, mode string) {
	prefix := fmt.Sprintf("bench-%d.", time.Now().UnixNano())
	door, err := bus.Open(bus.Config{Brokers: brokers, Prefix: prefix, Shards: benchShards, SingleCopy: true}, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	defer door.Close()
	if _, err := door.Bootstrap(b.Context(), "i", ""); err != nil {
		b.Fatal(err)
	}
	view := store.Open(store.Config{Addresses: redis, Prefix: prefix, Shards: benchShards})
	defer view.Close()
	d := newQuietDesk(b)
	show(b, view, d.accounts["acme"])
	d.h.Accounts, d.h.Sent, d.h.Publisher, d.h.Shards, d.h.Now = view, view, door, benchShards, time.Now
	fill(b, door, d.day(b.N, 20_000))

	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var handled, batches atomic.Int64
	var turn sync.Mutex
	done := make(chan struct{})
	count := func(batch []stream.Record) {
		batches.Add(1)
		if handled.Add(int64(len(batch))) == int64(b.N) {
			close(done)
		}
	}
	b.ReportAllocs()
	before := cpuTime(b)
	b.ResetTimer()
	ended := make(chan error, 1)
	go func() {
		ended <- door.Consume(ctx, "inbound", stream.Inbound, func(ctx context.Context, batch []stream.Record) error {
			if mode == "alone" {
				turn.Lock()
				defer turn.Unlock()
			}
			if mode != "batch" {
				for i := range batch {
					if err := d.h.Handle(ctx, batch[i:i+1]); err != nil {
						return err
					}
				}
			} else if err := d.h.Handle(ctx, batch); err != nil {
				return err
			}
			count(batch)
			return nil
		})
	}()
	select {
	case <-done:
	case err := <-ended:
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-before)/float64(time.Microsecond)/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/float64(batches.Load()), "records/batch")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	stop()
	<-ended
}

// show makes an account's view as its owner would.
func show(b *testing.B, s *store.Store, account optout.Account) {
	b.Helper()
	state, err := json.Marshal(account)
	if err != nil {
		b.Fatal(err)
	}
	view := s.View(benchShards.Account(account.ID))
	at := shard.Position{Generation: 1, Next: 1}
	if err := view.Begin(b.Context(), shard.Position{}, at); err != nil {
		b.Fatal(err)
	}
	to := shard.Position{Generation: 1, Next: 2, Whole: true}
	changes := []shard.Change{{Key: optout.AccountKey(account.ID), New: state}}
	if _, err := view.Apply(b.Context(), at, to, changes, time.Now().Add(time.Hour)); err != nil {
		b.Fatal(err)
	}
}

// fill keeps records as ingress does, spread over the partitions.
func fill(b *testing.B, door *bus.Bus, records []stream.Record) {
	b.Helper()
	for len(records) > 0 {
		some := records[:min(1000, len(records))]
		records = records[len(some):]
		kept := make([]*stream.Record, len(some))
		for i := range some {
			kept[i] = &stream.Record{Topic: stream.Inbound, Partition: i % int(benchShards), Key: []byte(some[i].Header("app")), Value: some[i].Value, Headers: some[i].Headers}
		}
		if err := door.Publish(b.Context(), kept...); err != nil {
			b.Fatal(err)
		}
	}
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
