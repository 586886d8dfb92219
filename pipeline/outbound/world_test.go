package outbound_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/outbound"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// place names a partition.
type place struct {
	topic     stream.Topic
	partition int
}

// world is all that a lane stands on, in memory and in simulated time: logs of which only the last to claim may append,
// a gate, numbers' lines and Meta. Tests change how its parts answer.
type world struct {
	t *testing.T

	mu      sync.Mutex
	logs    map[place][]stream.Record
	first   map[place]int64
	grown   chan struct{}
	last    map[string]string // the last mark of each message, by account/id
	epoch   int               // of the lane's partition
	away    bool              // Kafka takes no facts
	calls   []call
	flying  int
	most    int
	slowed  []string
	said    map[string]int // results counted
	gate    func(q gate.Question) gate.Answer
	meta    func(ctx context.Context, m chat.Outbound) (string, error)
	reserve func(number string, n int, ahead time.Duration) (ratelimit.Reservation, error)
	hold    func() bool
	holds   func(ctx context.Context) error
	limit   int
}

type call struct {
	id   string
	at   time.Time
	good time.Time
}

const (
	account = "acme"
	channel = "wa"
)

func newWorld(t *testing.T) *world {
	return &world{
		t: t, logs: map[place][]stream.Record{}, first: map[place]int64{}, grown: make(chan struct{}), said: map[string]int{}, last: map[string]string{},
		gate: func(gate.Question) gate.Answer { return yes() },
		meta: func(_ context.Context, m chat.Outbound) (string, error) { return "wamid." + m.ID, nil },
		reserve: func(_ string, n int, _ time.Duration) (ratelimit.Reservation, error) {
			return ratelimit.Reservation{Slots: n}, nil
		},
	}
}

func yes() gate.Answer { return gate.Answer{Verdict: gate.Go, Until: time.Now().Add(gate.Good)} }

// simulate runs a test in simulated time.
func simulate(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

// after lets simulated time pass and everything come to rest.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// explain tells of every skip that it was imported.
func explain(_ context.Context, _ []gate.Question, answers []gate.Answer) {
	for i := range answers {
		if answers[i].Verdict == gate.Skip {
			answers[i].Cause = &gate.Cause{Name: "Our list", Since: time.Unix(0, 0), Source: "import"}
		}
	}
}

// lane makes a lane of the world's partition. Two of them are two processes.
func (w *world) lane(kind outbound.Kind) *outbound.Lane {
	return &outbound.Lane{
		Kind: kind, Shards: 2, Intents: &owned{w: w}, Reader: w, Publisher: w, Gate: w, Explain: explain, Caller: w, Pace: w, Metrics: w,
		Follow: func(from int64) shard.Follower {
			return w.follow(kind, from)
		},
		Hold: w.hold, Holds: w.holds, Calls: w.limit, Log: zerolog.Nop(),
		Directory: chat.NewDirectory([]string{account}, []chat.Channel{
			{Account: account, ID: channel, Kind: chat.WhatsApp, NumberID: "1", Rate: 100},
			{Account: account, ID: "other", Kind: chat.WhatsApp, NumberID: "2", Rate: 100},
		}),
	}
}

// start runs a lane until stop is called, which gives what Run returned.
func start(t *testing.T, l *outbound.Lane) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// message is one that is valid for a day.
func message(id string) chat.Outbound {
	return chat.Outbound{
		V: 1, ID: id, Account: account, Channel: channel, To: "phone:447700900101", Given: "447700900101", Pseudonym: 7,
		Kind: chat.KindSingle, Category: chat.Marketing, Message: json.RawMessage(`{"type":"text","text":{"body":"x"}}`),
		Until: time.Now().Add(24 * time.Hour).UnixMilli(),
	}
}

// row is a message of a broadcast, each to another person.
func row(broadcast string, n int) chat.Outbound {
	m := message(fmt.Sprintf("%s.%d", broadcast, n))
	m.Kind, m.Broadcast, m.Row, m.Pseudonym = chat.KindBroadcast, broadcast, n, chat.Pseudonym(1000+n)
	return m
}

func (w *world) send(kind outbound.Kind, messages ...chat.Outbound) {
	for _, m := range messages {
		value, err := json.Marshal(m)
		if err != nil {
			w.t.Fatal(err)
		}
		w.add(&stream.Record{Topic: kind.Messages(), Key: []byte(m.Key()), Value: value})
	}
}

func (w *world) add(records ...*stream.Record) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	base := int64(-1)
	for _, r := range records {
		at := place{r.Topic, r.Partition}
		r.Offset, r.Time = w.first[at]+int64(len(w.logs[at])), time.Now()
		if base < 0 {
			base = r.Offset
		}
		w.logs[at] = append(w.logs[at], *r)
		if r.Topic == stream.IntentsBulk || r.Topic == stream.IntentsReplies {
			m := w.mark(*r)
			w.last[m.Account+"/"+string(r.Key)] = m.Kind
		}
	}
	close(w.grown)
	w.grown = make(chan struct{})
	return base
}

// facts gives what became of each message, in order.
func (w *world) facts() map[string][]chat.Fact {
	facts := w.told()
	for id := range facts {
		if facts[id] = slices.DeleteFunc(facts[id], func(f chat.Fact) bool { return f.Status == chat.Queued }); len(facts[id]) == 0 {
			delete(facts, id)
		}
	}
	return facts
}

// told gives what was told of messages: facts, and notices about those that are still queued.
func (w *world) told() map[string][]chat.Fact {
	w.mu.Lock()
	defer w.mu.Unlock()
	facts := map[string][]chat.Fact{}
	for at, records := range w.logs {
		for _, r := range records {
			if at.topic != stream.Outcomes {
				continue
			}
			var f chat.Fact
			if err := json.Unmarshal(r.Value, &f); err != nil {
				w.t.Error(err)
			}
			if want := chat.Shards(2).Outcomes(f.Account, f.Broadcast, f.ID); at.partition != want || string(r.Key) != f.Broadcast {
				w.t.Errorf("fact of %s in partition %d under key %q", f.ID, at.partition, r.Key)
			}
			facts[f.ID] = append(facts[f.ID], f)
		}
	}
	return facts
}

// wantFact checks a message's only fact.
func (w *world) wantFact(id string, status chat.Status, reason string) {
	w.t.Helper()
	facts := w.facts()[id]
	if len(facts) != 1 || facts[0].Status != status || facts[0].Error != reason {
		w.t.Errorf("%s: want one fact %s %q, got %+v", id, status, reason, facts)
	}
}

// marks gives the kinds of a message's marks in the intents, in order.
func (w *world) marks(kind outbound.Kind, key string) (kinds []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.logs[place{kind.Intents(), 0}] {
		if string(r.Key) == key {
			kinds = append(kinds, w.mark(r).Kind)
		}
	}
	return kinds
}

// mark reads a record of intents as its documentation says it looks.
func (w *world) mark(r stream.Record) (m struct {
	V             int
	Kind, Account string
}) {
	if err := json.Unmarshal(r.Value, &m); err != nil || m.V != 1 {
		w.t.Errorf("mark %s: %v", r.Value, err)
	}
	return m
}

// called gives the times at which a message was called.
func (w *world) called(id string) (times []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.id == id {
			times = append(times, c.at)
		}
	}
	return times
}

func (w *world) order() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		ids = append(ids, c.id)
	}
	return ids
}

var (
	errAway   = errors.New("away")
	errSilent = errors.New("silent") // and takes its time about it
)

// Publish is stream.Publisher's.
func (w *world) Publish(_ context.Context, records ...*stream.Record) error {
	w.mu.Lock()
	away := w.away
	w.mu.Unlock()
	if away {
		return errAway
	}
	w.add(records...)
	return nil
}

// Ask is the gate's.
func (w *world) Ask(_ context.Context, questions []gate.Question) []gate.Answer {
	answers := make([]gate.Answer, len(questions))
	for i, q := range questions {
		answers[i] = w.gate(q)
	}
	return answers
}

// Call is Meta's.
func (w *world) Call(ctx context.Context, m chat.Outbound, good time.Time) (string, error) {
	w.mu.Lock()
	if last := w.last[m.Account+"/"+m.ID]; last != "intent" {
		w.t.Errorf("%s is called without an open intent, after %q", m.ID, last)
	}
	w.calls = append(w.calls, call{m.ID, time.Now(), good})
	w.flying++
	w.most = max(w.most, w.flying)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.flying--
		w.mu.Unlock()
	}()
	if !time.Now().Before(good) {
		w.t.Errorf("%s is called with an answer that is over", m.ID)
	}
	return w.meta(ctx, m)
}

// Reserve and Slow are the pace's.
func (w *world) Reserve(ctx context.Context, number string, _ float64, n int, ahead time.Duration) (ratelimit.Reservation, error) {
	got, err := w.reserve(number, n, ahead)
	if errors.Is(err, errSilent) {
		<-ctx.Done()
	}
	return got, err
}

func (w *world) Slow(number string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slowed = append(w.slowed, number)
}

// Send, Gate, Dead, Called and Open are the metrics'.
func (w *world) Send(lane, result string) { w.count(lane + " " + result) }
func (w *world) Gate(answer string)       { w.count("gate " + answer) }
func (w *world) Dead(reason string)       { w.count("dead " + reason) }

func (w *world) Called(lane string, _ time.Duration) { w.count("called " + lane) }

func (w *world) Open(lane string, more int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said["open "+lane] += more
}

func (w *world) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said[what]++
}

func (w *world) counted(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said[what]
}

// Read and Ends are the reader's.
func (w *world) Read(_ context.Context, topic stream.Topic, partition int, from, to int64, each func(stream.Record) error) error {
	w.mu.Lock()
	at := place{topic, partition}
	records := w.logs[at][from-w.first[at] : to-w.first[at]]
	w.mu.Unlock()
	for _, r := range records {
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) Ends(_ context.Context, topic stream.Topic, partition int) (first, end int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := place{topic, partition}
	return w.first[at], w.first[at] + int64(len(w.logs[at])), nil
}

// owned is one process's hold on the partition's intents.
type owned struct {
	w     *world
	epoch int
	last  time.Time
	dead  bool // the process was killed: nothing of it reaches Kafka any more
}

func (o *owned) Claim(context.Context) error {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	o.w.epoch++
	o.w.said["claim"]++
	o.epoch = o.w.epoch
	return nil
}

func (o *owned) Append(_ context.Context, topic stream.Topic, records []*stream.Record) (int64, error) {
	o.w.mu.Lock()
	deposed := o.epoch != o.w.epoch
	dead := o.dead
	o.w.mu.Unlock()
	if dead {
		return 0, errAway
	}
	if deposed {
		return 0, stream.ErrDeposed
	}
	for _, r := range records {
		if r.Topic != topic {
			o.w.t.Errorf("record of %s appended to %s", r.Topic, topic)
		}
	}
	o.last = time.Now()
	return o.w.add(records...), nil
}

func (o *owned) Idle() time.Duration { return time.Since(o.last) }

// follower brings a partition's messages.
type follower struct {
	w    *world
	at   place
	next atomic.Int64
}

func (w *world) follow(kind outbound.Kind, from int64) *follower {
	f := &follower{w: w, at: place{kind.Messages(), 0}}
	f.next.Store(from)
	return f
}

func (f *follower) Next(ctx context.Context) (stream.Round, error) {
	idle := time.NewTimer(time.Minute) // a bus brings empty rounds far more often, and days would take long
	defer idle.Stop()
	for {
		f.w.mu.Lock()
		first, grown := f.w.first[f.at], f.w.grown
		log := f.w.logs[f.at]
		f.w.mu.Unlock()
		if f.next.Load() < first {
			return stream.Round{}, stream.ErrTruncated
		}
		if records := log[f.next.Load()-first:]; len(records) > 0 {
			records = records[:min(len(records), 2000)]
			f.next.Add(int64(len(records)))
			return stream.Round{Records: records}, nil
		}
		select {
		case <-ctx.Done():
			return stream.Round{}, ctx.Err()
		case <-grown:
		case <-idle.C:
			return stream.Round{}, nil
		}
	}
}

func (f *follower) Close() {}
