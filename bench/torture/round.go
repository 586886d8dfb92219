package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"optgate/gateway/meta/fake"
	"optgate/pipeline/chat"
)

// scenario says on what servers a round runs.
type scenario struct {
	nodes int    // of Kafka
	redis string // one, cluster, replica
}

func (s scenario) String() string { return fmt.Sprintf("kafka %d, redis %s", s.nodes, s.redis) }

// round is one run of a scenario: everything is started, disturbed, left to recover, and accounted for.
type round struct {
	scenario
	seed    uint64
	lasts   time.Duration
	program string
	dir     string
	out     io.Writer
	rate    float64
	people  int

	began    time.Time
	patience context.Context // ends when the whole round has taken too long, or was interrupted
	kafkas   *kafka
	redises  *redis
	fleet    fleet
	front    *front
	meta     *fake.Meta
	courier  *courier
	market   *marketer
	watch    *watcher
	logs     *logs

	mu        sync.Mutex
	incidents []incident
	calls     []call
	returns   durations // of processes that were killed, stopped or paused, until they were ready
}

// The names of the made-up installation.
const (
	prefix = "torture."
	shards = 8
)

// settings is what all processes' configurations have in common.
func (r *round) settings(prefix string) map[string]any {
	kafka := map[string]any{"brokers": r.kafkas.brokers()}
	if r.nodes < 3 {
		kafka["single_copy"] = "accepted"
	}
	n := number()
	graph := "http://127.0.0.1:9/v26.0"
	if r.meta != nil {
		graph = r.meta.URL()
	}
	return map[string]any{
		"prefix": prefix, "shards": shards, "kafka": kafka, "redis": map[string]any{"addresses": r.redises.addresses()},
		"meta": map[string]any{"graph_url": graph, "apps": []any{
			map[string]any{"id": "main", "verify_token": verifyToken, "secrets": []string{appSecret}},
		}},
		"accounts": []any{map[string]any{
			"id": "acme", "tokens": []any{map[string]any{"name": "ops", "token": apiToken, "scopes": []string{"admin"}}},
			"channels": []any{map[string]any{
				"id": "wa", "kind": "whatsapp", "phone_number_id": n.ID, "waba_id": n.WABA, "access_token": sendToken,
				"default_country": "GB", "messages_per_second": 80,
			}},
		}},
		"limits": map[string]any{"api_per_minute": 100_000},
	}
}

// The times that a round allows itself, besides that of the disturbance.
const (
	bootWithin   = 2 * time.Minute
	settleWithin = 4 * time.Minute
	calm         = 4 * time.Second  // before the first trouble, so that there is something in flight
	stuckAfter   = 45 * time.Second // without any progress nothing will come any more
	quietFor     = 5 * time.Second  // in which nothing more may happen once all is accounted for
)

// run runs the round. An error says that there is no account, as when servers can't be started.
func (r *round) run(ctx context.Context) (account, error) {
	ctx, cancel := context.WithTimeout(ctx, r.lasts+bootWithin+settleWithin+2*time.Minute)
	defer cancel()
	r.patience = ctx
	defer r.close()
	if err := r.boot(ctx); err != nil {
		return account{}, err
	}
	said := r.storm(ctx)
	e, err := r.settle(ctx, said)
	if err != nil {
		return account{}, err
	}
	a := e.judge()
	r.times(&a, e)
	return a, nil
}

// boot starts servers and gateways and waits until they are ready.
func (r *round) boot(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, bootWithin)
	defer cancel()
	if r.kafkas, err = startKafka(ctx, filepath.Join(r.dir, "kafka"), r.nodes); err != nil {
		return err
	}
	if r.redises, err = startRedis(ctx, filepath.Join(r.dir, "redis"), r.redis); err != nil {
		return err
	}
	if r.logs, err = openLogs(r.kafkas.brokers(), prefix); err != nil {
		return err
	}
	if err := r.startSpoiled(ctx); err != nil {
		return err
	}
	if r.front, err = newFront(); err != nil {
		return err
	}
	if r.meta, err = fake.New(fake.Options{
		Webhook: r.front.url, Secret: []byte(appSecret), Seed: r.seed, Keep: 1, Token: sendToken,
		Answer: r.called, ReceiptDelay: 300 * time.Millisecond,
	}); err != nil {
		return err
	}
	if r.fleet, err = startFleet(r.dir, r.program, r.settings(prefix)); err != nil {
		return err
	}
	var backs []string
	for _, g := range r.fleet.by("ingress") {
		backs = append(backs, g.public)
	}
	r.front.lead(backs)
	began := time.Now()
	if err := r.fleet.ready(ctx); err != nil {
		return fmt.Errorf("first start: %w", err)
	}
	r.sayf("ready after %.1fs", time.Since(began).Seconds())
	return nil
}

// hangs is how long Meta takes to answer at most, so that there is always something in flight when a sender is killed.
const hangs = 400 * time.Millisecond

// called notes a call of the gateway's to Meta, which always takes the message.
func (r *round) called(s fake.Send) fake.Outcome {
	_, broadcast, _, id, ok := chat.ParseCallback(s.Callback)
	if !ok {
		id = "none/" + s.MessageID
	}
	who := "phone:" + s.Person
	if s.Person != "" && (s.Person[0] < '0' || s.Person[0] > '9') {
		who = "bsuid:" + s.Person
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call{s.At, who, id, broadcast})
	return fake.Outcome{Hang: time.Duration(len(r.calls)*37%100) * hangs / 100}
}

// happened notes a trouble that is over.
func (r *round) happened(i incident) {
	r.mu.Lock()
	r.incidents = append(r.incidents, i)
	r.mu.Unlock()
	r.sayf("%s", i)
}

func (r *round) sayf(format string, values ...any) {
	fmt.Fprintf(r.out, "  "+format+"\n", values...) //nolint:errcheck // nobody listens, then
}

// storm lets people talk and broadcasts run while troubles come, and returns when all troubles are over.
func (r *round) storm(ctx context.Context) (delivering *sync.WaitGroup) {
	r.began = time.Now()
	console := newAPI(r.fleet.by("console")[0].private)
	r.courier = &courier{meta: r.meta, rate: r.rate}
	r.market = &marketer{api: console, people: r.people}
	r.watch = newWatcher(console)
	raging, cancel := context.WithTimeout(ctx, r.lasts)
	defer cancel()
	delivering = &sync.WaitGroup{}
	delivering.Go(func() { r.courier.run(raging, ctx, newCrowd(r.seed, r.people), r.seed) })
	go r.watch.run(ctx)
	go r.watch.pulse(ctx)
	var making sync.WaitGroup
	making.Go(func() { r.market.run(raging, ctx, r.seed) })
	for i, troubles := range [][]trouble{
		firstTroubles(r.fleet), secondTroubles(r.fleet, r.lasts), append(kafkaTroubles(r.kafkas), redisTroubles(r.redises)...),
	} {
		making.Go(func() {
			if pause(raging, calm) {
				r.disturb(raging, plan(r.seed+uint64(i), troubles, r.lasts-calm))
			}
		})
	}
	making.Wait()
	return delivering
}

// close ends everything that the round has started.
func (r *round) close() {
	r.fleet.stop()
	if r.logs != nil {
		r.logs.close()
	}
	if r.meta != nil {
		_ = r.meta.Close()
	}
	if r.front != nil {
		r.front.close()
	}
	if r.redises != nil {
		r.redises.stop()
	}
	if r.kafkas != nil {
		r.kafkas.stop()
	}
}
