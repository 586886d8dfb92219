package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
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
	return fake.Outcome{}
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
	making.Go(func() { r.market.run(raging, r.seed) })
	for i, troubles := range [][]trouble{
		firstTroubles(r.fleet), secondTroubles(r.fleet, r.lasts), append(kafkaTroubles(r.kafkas), redisTroubles(r.redises)...),
	} {
		making.Go(func() { r.disturb(raging, plan(r.seed+uint64(i), troubles, r.lasts)) })
	}
	making.Wait()
	return delivering
}

// settle waits until everything is delivered, recovered and accounted for, or patience ends; then it is what it is.
func (r *round) settle(ctx context.Context, delivering *sync.WaitGroup) (*evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	began := time.Now()
	if err := r.fleet.ready(ctx); err != nil {
		r.happened(incident{name: "after all troubles", at: time.Since(r.began), recovered: -1, err: err})
	}
	delivered := make(chan struct{})
	go func() { delivering.Wait(); close(delivered) }()
	select {
	case <-delivered:
	case <-ctx.Done():
	}
	for r.market.open(ctx) > 0 && pause(ctx, 500*time.Millisecond) {
	}
	r.sayf("all delivered and sent %.1fs after the last trouble", time.Since(began).Seconds())
	var e *evidence
	last, changed := -1, time.Now()
	for {
		var err error
		gathering, cancel := context.WithTimeout(r.patience, time.Minute)
		e, err = r.gather(gathering)
		cancel()
		if err == nil {
			findings := len(e.judge().findings)
			if findings == 0 {
				break
			}
			if findings != last {
				last, changed = findings, time.Now()
			}
			if time.Since(changed) > stuckAfter {
				return e, nil
			}
		}
		if !pause(ctx, 2*time.Second) {
			if err != nil {
				return nil, fmt.Errorf("gather the evidence: %w", err)
			}
			return e, nil
		}
	}
	r.sayf("all accounted for %.1fs after the last trouble", time.Since(began).Seconds())
	pause(r.patience, quietFor)
	return r.gather(r.patience)
}

// gather asks everybody.
func (r *round) gather(ctx context.Context) (*evidence, error) {
	e := &evidence{said: r.courier.all(), standing: map[string]map[string]int64{}}
	if err := e.readTopics(ctx, r.logs); err != nil {
		return nil, err
	}
	for _, list := range []string{"default", "meta"} {
		entries, err := r.watch.api.entries(ctx, list)
		if err != nil {
			return nil, err
		}
		e.standing[list] = entries
	}
	var err error
	if e.campaigns, err = r.market.reports(ctx); err != nil {
		return nil, err
	}
	e.sightings, e.lags = r.watch.seen()
	r.mu.Lock()
	e.calls, e.troubles = append([]call(nil), r.calls...), append([]incident(nil), r.incidents...)
	r.mu.Unlock()
	for _, g := range r.fleet {
		g.mu.Lock()
		e.deaths = append(e.deaths, g.deaths...)
		g.mu.Unlock()
		leaks, err := leaksIn(g)
		if err != nil {
			return nil, err
		}
		e.leaks = append(e.leaks, leaks...)
	}
	return e, nil
}

// personal is what no log may hold: the beginnings of all phones and message ids, and secrets.
var personal = []string{"4477009", "4477008", "GB.902", "wamid.", appSecret, apiToken, verifyToken, sendToken}

func leaksIn(g *gateway) (found []string, err error) {
	text, err := os.ReadFile(g.log.Name())
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", g.name, err)
	}
	for _, p := range personal {
		if n := strings.Count(string(text), p); n > 0 {
			found = append(found, fmt.Sprintf("the log of %s holds %q… %d times", g.name, p[:4], n))
		}
	}
	return found, nil
}

// times adds how long things took.
func (r *round) times(a *account, e *evidence) {
	var force durations
	first := map[string]time.Time{}
	for _, s := range e.sightings {
		first[fmt.Sprint(s.who, s.since)] = s.from
	}
	for _, s := range e.said {
		if s.list == "default" && s.out && !s.acked.IsZero() && len(s.who) == 1 {
			if from, ok := first[fmt.Sprint(s.who[0], s.atMilli)]; ok && from.After(s.acked) {
				force = append(force, from.Sub(s.acked))
			}
		}
	}
	a.countf("opt-out answered 200 to shown in force: half %s, 99 of 100 %s, slowest %s", force.share(0.5), force.share(0.99), force.share(1))
	worst := map[string]time.Duration{}
	times := map[string]int{}
	for _, i := range e.troubles {
		times[i.name]++
		worst[i.name] = max(worst[i.name], i.recovered)
	}
	a.countf("a process that was killed, stopped or paused was ready again: half after %s, slowest %s (%d times)",
		r.returns.share(0.5), r.returns.share(1), len(r.returns))
	var all durations
	for name := range maps.Keys(worst) {
		if worst[name] > 0 {
			all = append(all, worst[name])
		}
	}
	a.countf("%d troubles of %d kinds; the end of a server's trouble to all processes ready: half %s, slowest %s",
		len(e.troubles), len(times), all.share(0.5), all.share(1))
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
