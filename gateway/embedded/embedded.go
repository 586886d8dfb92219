// Package embedded runs Kafka and Redis inside the process, for trying out and for one small box: nothing to install, the
// data in one directory. It hands out addresses; nobody else knows that they are no servers.
package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Options says where the data lies.
type Options struct {
	Dir  string // made if missing; Kafka's data in its folder kafka
	Sync bool   // every write is on the disk before it is acknowledged; else a power cut, not a crash, may lose the last ones
}

// Embedded is a running Kafka and Redis.
type Embedded struct {
	Kafka string // host:port
	Redis string // host:port; it forgets everything when the process ends

	cluster *kfake.Cluster
	redis   *miniredis.Miniredis
	lock    *os.File
	stop    chan struct{}
	wg      sync.WaitGroup
}

// Start opens the directory and starts both on free ports of the loopback interface. A directory that another process has
// open is ErrLocked, one of another format ErrFormat; neither is touched.
func Start(options Options) (*Embedded, error) {
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := acquire(filepath.Join(options.Dir, "LOCK"))
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", options.Dir, err)
	}
	e := &Embedded{lock: lock, stop: make(chan struct{})}
	if err := e.start(options); err != nil {
		return nil, fmt.Errorf("embedded: %w", errors.Join(err, e.Close()))
	}
	return e, nil
}

func (e *Embedded) start(options Options) error {
	if err := checkFormat(options.Dir); err != nil {
		return err
	}
	settings := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.DataDir(filepath.Join(options.Dir, "kafka")),
		kfake.BrokerConfigs(map[string]string{
			// Compaction stops everything else for its duration, so it is done before anybody is served.
			"log.cleaner.backoff.ms": "315360000000",
			// A box that was off for weeks goes on where it was.
			"offsets.retention.minutes": "5256000",
		}),
	}
	if options.Sync {
		settings = append(settings, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(settings...)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	e.cluster = cluster
	cluster.Compact()
	e.redis = miniredis.NewMiniRedis()
	if err := e.redis.StartAddr("127.0.0.1:0"); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	e.Kafka, e.Redis = cluster.ListenAddrs()[0], e.redis.Addr()
	e.wg.Go(e.retire)
	e.wg.Go(e.age)
	return nil
}

// ageEvery is how often keys of the embedded Redis grow older, and how much too early one may end. Miniredis can do so at
// every command, but then looks at every key each time.
const ageEvery = 50 * time.Millisecond

// age lets keys end, as leases must.
func (e *Embedded) age() {
	ticks := time.NewTicker(ageEvery)
	defer ticks.Stop()
	last := time.Now()
	for {
		select {
		case <-ticks.C:
			now := time.Now()
			e.redis.FastForward(now.Sub(last))
			last = now
		case <-e.stop:
			return
		}
	}
}

// retire lets topics forget what is older than their retention, which the cleaner would do.
func (e *Embedded) retire() {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		select {
		case <-hourly.C:
			e.cluster.ApplyRetention()
		case <-e.stop:
			return
		}
	}
}

// Close stops both and gives the directory free. A second call does nothing.
func (e *Embedded) Close() error {
	select {
	case <-e.stop:
		return nil
	default:
		close(e.stop)
	}
	e.wg.Wait()
	if e.redis != nil {
		e.redis.Close()
	}
	if e.cluster != nil {
		e.cluster.Close()
	}
	return e.lock.Close()
}
