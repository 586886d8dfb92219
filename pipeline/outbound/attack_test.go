package outbound_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/embedded"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/outbound"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// Many processes believe to own one lane: some are killed between any two steps, most run on as zombies that pause at
// random. Pages are published twice, calls are refused, come too late, stay without an answer.
const (
	attackIDs    = 2000
	attackPage   = 100
	attackers    = 10
	attackEvery  = 150 * time.Millisecond
	attackAtMost = 30 * time.Second
)

func TestNoIDIsCalledTwiceUnderAttack(t *testing.T) {
	for _, brokers := range kafkas(t) {
		found := attack(t, brokers, true)
		t.Log(found)
		if found.twice > 0 || found.without > 0 {
			t.Error("a message was called twice, or has no fact")
		}
		if found.deposed == 0 || found.killed == 0 || found.sent < attackIDs/2 {
			t.Error("this was no attack")
		}
	}
}

func TestWithoutTheFenceTheAttackFindsDoubles(t *testing.T) {
	if found := attack(t, kafkas(t)[0], false); found.twice == 0 {
		t.Errorf("%v: owners that nobody deposes went unnoticed", found)
	} else {
		t.Log(found)
	}
}

// kafkas gives the Kafka inside the process, and those that OPTGATE_TEST_KAFKA names.
func kafkas(t *testing.T) [][]string {
	e, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	all := [][]string{{e.Kafka}}
	for brokers := range strings.FieldsSeq(os.Getenv("OPTGATE_TEST_KAFKA")) {
		all = append(all, strings.Split(brokers, ","))
	}
	return all
}

// findings are what an attack has shown.
type findings struct {
	twice, without        int // ids called twice; without a fact
	sent, unknown, failed int // ids whose highest fact is that
	killed, deposed       int // processes
}

func (f findings) String() string {
	return fmt.Sprintf("%d ids: %d sent, %d unknown, %d failed, %d called twice, %d without a fact; %d processes killed, %d deposed",
		attackIDs, f.sent, f.unknown, f.failed, f.twice, f.without, f.killed, f.deposed)
}

// field is where an attack takes place.
type field struct {
	bus   *bus.Bus
	mu    sync.Mutex
	calls map[string]int
}

func attack(t *testing.T, brokers []string, fenced bool) findings {
	ctx, cancel := context.WithTimeout(t.Context(), attackAtMost)
	defer cancel()
	b, err := bus.Open(bus.Config{
		Brokers: brokers, Prefix: "lanes" + strconv.FormatUint(rand.Uint64(), 36) + ".", Shards: 2, SingleCopy: true,
	}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close() //nolint:errcheck // nothing is in flight any more
	if _, err := b.Bootstrap(ctx, "attacked", ""); err != nil {
		t.Fatal(err)
	}
	f := &field{bus: b, calls: map[string]int{}}
	var found findings
	var mu sync.Mutex
	var all sync.WaitGroup
	lanes, stop := context.WithCancel(ctx)
	defer stop()
	run := func(p *process) {
		all.Go(func() {
			if err := f.lane(p, fenced).Run(p.ctx); errors.Is(err, stream.ErrDeposed) {
				mu.Lock()
				found.deposed++
				mu.Unlock()
			}
		})
	}
	all.Go(func() { f.publish(ctx, t) })
	for n := range attackers {
		p := newProcess(lanes, f, 0.05)
		run(p)
		<-time.After(time.Duration(rand.Int64N(int64(2 * attackEvery))))
		if n%3 == 0 {
			p.kill()
			found.killed++
		}
	}
	run(newProcess(lanes, f, 0))
	f.await(ctx)
	stop()
	all.Wait()
	f.judge(t, &found)
	return found
}

// publish writes the messages, every fifth page twice.
func (f *field) publish(ctx context.Context, t *testing.T) {
	for first := 0; first < attackIDs; first += attackPage {
		for range 1 + (first/attackPage+1)%5/4 {
			var page []*stream.Record
			for n := range attackPage {
				value, err := json.Marshal(row("b1", first+n))
				if err != nil {
					t.Error(err)
				}
				page = append(page, &stream.Record{Topic: stream.OutboundBulk, Value: value})
			}
			if err := f.bus.Publish(ctx, page...); err != nil {
				t.Error(err)
			}
		}
		<-time.After(60 * time.Millisecond)
	}
}

// facts reads the highest fact of each id.
func (f *field) facts(ctx context.Context) map[string]chat.Status {
	facts := map[string]chat.Status{}
	partition := chat.Shards(2).Broadcast(account, "b1")
	first, end, err := f.bus.Ends(ctx, stream.Outcomes, partition)
	if err != nil {
		return nil
	}
	_ = f.bus.Read(ctx, stream.Outcomes, partition, first, end, func(r stream.Record) error {
		var fact chat.Fact
		if err := json.Unmarshal(r.Value, &fact); err != nil {
			return err
		}
		if fact.Status.Rank() > facts[fact.ID].Rank() {
			facts[fact.ID] = fact.Status
		}
		return nil
	})
	return facts
}

// await returns once every id has a fact, or too much time has passed.
func (f *field) await(ctx context.Context) {
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for len(f.facts(ctx)) < attackIDs {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

func (f *field) judge(t *testing.T, found *findings) {
	facts := f.facts(t.Context())
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := range attackIDs {
		id := row("b1", n).ID
		if f.calls[id] > 1 {
			found.twice++
		}
		switch facts[id] {
		case "":
			found.without++
		case chat.Sent:
			found.sent++
			if f.calls[id] == 0 {
				t.Errorf("%s is said to be sent and never was", id)
			}
		case chat.Unknown:
			found.unknown++
		default:
			found.failed++
		}
	}
}

// process is one process's lane: all that it does to the world goes through here, where it may pause or be dead.
type process struct {
	*field
	ctx    context.Context
	cancel context.CancelFunc
	lazy   float64
	log    shard.Log
	mu     sync.Mutex
	dead   bool
}

var errDead = errors.New("killed")

func newProcess(ctx context.Context, f *field, lazy float64) *process {
	ctx, cancel := context.WithCancel(ctx)
	return &process{field: f, ctx: ctx, cancel: cancel, lazy: lazy}
}

func (p *process) kill() {
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	p.cancel()
}

// step is where a process may pause for a while, and where a dead one ends.
func (p *process) step() error {
	if rand.Float64() < p.lazy {
		<-time.After(time.Duration(rand.Int64N(int64(600 * time.Millisecond))))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errDead
	}
	return nil
}

func (f *field) lane(p *process, fenced bool) *outbound.Lane {
	if p.log = f.bus.Own("lane.bulk.", 0); !fenced {
		p.log = &unfenced{bus: f.bus}
	}
	return &outbound.Lane{
		Kind: outbound.Bulk, Shards: 2, Intents: p, Reader: f.bus, Publisher: p, Gate: p, Caller: p, Pace: p, Metrics: p,
		Follow:    func(from int64) shard.Follower { return f.bus.Follow(stream.OutboundBulk, 0, from) },
		Directory: chat.NewDirectory([]string{account}, []chat.Channel{{Account: account, ID: channel}}),
		Log:       zerolog.Nop(),
	}
}

func (p *process) Claim(ctx context.Context) error {
	if err := p.step(); err != nil {
		return err
	}
	return p.log.Claim(ctx)
}

func (p *process) Append(ctx context.Context, topic stream.Topic, records []*stream.Record) (int64, error) {
	if err := p.step(); err != nil {
		return 0, err
	}
	base, err := p.log.Append(ctx, topic, records)
	return base, errors.Join(err, p.step()) // killed after Kafka has taken it
}

func (p *process) Idle() time.Duration { return p.log.Idle() }

func (p *process) Publish(ctx context.Context, records ...*stream.Record) error {
	if err := p.step(); err != nil {
		return err
	}
	return p.bus.Publish(ctx, records...)
}

func (p *process) Ask(_ context.Context, questions []gate.Question) []gate.Answer {
	answers := make([]gate.Answer, len(questions))
	for i := range answers {
		if rand.IntN(50) > 0 {
			answers[i] = yes()
		}
	}
	return answers
}

// Call is Meta's side too: what it takes, it takes for good, whatever is answered.
func (p *process) Call(_ context.Context, m chat.Outbound, good time.Time) (string, error) {
	if err := p.step(); err != nil {
		return "", err
	}
	<-time.After(time.Duration(rand.Int64N(int64(20 * time.Millisecond))))
	switch rand.IntN(60) {
	case 0:
		return "", outbound.ErrNotSent
	case 1:
		return "", &outbound.Refusal{Code: 130429, Advice: outbound.Slow}
	case 2:
		return "", &outbound.Refusal{Code: 131026, Advice: outbound.Fail}
	}
	if !time.Now().Before(good) {
		return "", outbound.ErrStale
	}
	p.field.mu.Lock()
	p.calls[m.ID]++
	p.field.mu.Unlock()
	if rand.IntN(60) == 0 {
		return "", errors.New("no answer")
	}
	return "wamid." + m.ID, nil
}

func (p *process) Reserve(_ context.Context, _ string, _ float64, n int, _ time.Duration) (ratelimit.Reservation, error) {
	return ratelimit.Reservation{Slots: n}, nil
}

func (p *process) Slow(string)         {}
func (p *process) Send(string, string) {}
func (p *process) Gate(string)         {}
func (p *process) Dead(string)         {}
func (p *process) Open(string, int)    {}

func (p *process) Called(string, time.Duration) {}

// unfenced is the mutation: everyone's appends are taken, and everyone is told that they follow the last one.
type unfenced struct {
	bus  *bus.Bus
	next int64
}

func (u *unfenced) Claim(context.Context) error { u.next = -1; return nil }

func (u *unfenced) Append(ctx context.Context, _ stream.Topic, records []*stream.Record) (int64, error) {
	if err := u.bus.Publish(ctx, records...); err != nil {
		return 0, err
	}
	if u.next < 0 {
		u.next = records[0].Offset
	}
	base := u.next
	u.next += int64(len(records))
	return base, nil
}

func (u *unfenced) Idle() time.Duration { return 0 }
