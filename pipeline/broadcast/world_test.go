package broadcast_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// world is all that a runner touches, in memory: the broadcasts' owner, the log of outcomes, the report, the gate and the
// lanes. It is run inside a synctest bubble.
type world struct {
	t  *testing.T
	mu sync.Mutex

	*decider
	away      bool // the view is not certain
	outcomes  []stream.Record
	more      chan struct{} // closed when outcomes grow
	messages  []chat.Outbound
	seen      map[string]bool // by the lanes
	repeats   int
	most      int // messages that were in the lanes at once
	inLanes   int
	refuse    int // publications that fail once they got through
	asked     int
	paused    []string // codes that were counted
	released  int      // times that an audience was
	segments  broadcast.Segments
	media     broadcast.Resolver
	condition channel.Condition
	left      int            // of todays people; 0: nobody knows
	first     *shard.Command // somebody's, decided before the runner's next one

	gate  func(q gate.Question) gate.Answer
	lane  func(m chat.Outbound) chat.Status // "": keeps it
	fact  func(m chat.Outbound) chat.Fact   // instead of a lane's mere status; nil: that
	speed time.Duration                     // of the lanes: from a message to its fact
	idle  time.Duration                     // between rounds that bring nothing
	every time.Duration                     // between looks; 0: as in earnest

	kept   int64 // offset of the first outcome that is
	folded int64
	lost   bool // no position
	rows   map[broadcast.Ref]map[int]chat.Fact
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, decider: newDecider(), more: make(chan struct{}), seen: map[string]bool{}, lost: true,
		rows: map[broadcast.Ref]map[int]chat.Fact{}, speed: 10 * time.Millisecond, idle: 250 * time.Millisecond,
		gate: func(gate.Question) gate.Answer { return gate.Answer{Verdict: gate.Go} },
		lane: func(chat.Outbound) chat.Status { return chat.Sent },
	}
}

// plan makes the broadcast b1.
func (w *world) plan(body string) broadcast.Ref {
	w.t.Helper()
	r, wrong, err := broadcast.ParseRequest([]byte(body))
	must(w.t, err)
	at := terms()
	at.Now = time.Now()
	d, err := at.Draft("b1", []byte(body), r, wrong)
	must(w.t, err)
	w.create(d)
	return d.Ref
}

// create makes a draft exist. The lock is let go of whatever happens: a runner that waits for it never ends.
func (w *world) create(d broadcast.Draft) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	pages, create, err := d.Commands(time.Now(), int64(len(w.outcomes)))
	must(w.t, err)
	for _, c := range append(pages, create) {
		must(w.t, w.fold(c))
	}
}

// explain tells of every skip that it was imported.
func explain(_ context.Context, _ []gate.Question, answers []gate.Answer) {
	for i := range answers {
		if answers[i].Verdict == gate.Skip {
			answers[i].Cause = &gate.Cause{Name: "Our list", Since: time.Unix(0, 0), Source: "import"}
		}
	}
}

// run starts a runner and gives what ends it.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	r := &broadcast.Runner{
		Shards: shards, Shard: shards.Broadcast("acme", "b1"), States: w, Report: w, Archive: w, Gate: w, Explain: explain, Reader: w,
		Follow:    func(from int64) shard.Follower { return &follower{w, from} },
		Publisher: w, Conditions: w, Left: w.tier, Segments: w.segments, Media: w.media, LookEvery: w.every, Directory: terms().Directory, Metrics: w, Logger: zerolog.Nop(),
	}
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// after lets time pass and gives what is true then.
func (w *world) after(d time.Duration, r broadcast.Ref) (broadcast.Status, map[string]int) {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	totals := map[string]int{}
	for _, f := range w.rows[r] {
		totals[string(f.Status)+" "+f.Error]++
	}
	if w.states[r.Key()] == nil {
		return "", totals
	}
	return w.broadcast(w.t, r).Status, totals
}

func (w *world) Gate(string) {}

func (w *world) tier(context.Context, chat.Channel, channel.Condition) (int, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.left, w.left > 0, nil
}

func (w *world) BroadcastPaused(code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = append(w.paused, code)
}

func (w *world) Active(context.Context, int) (map[broadcast.Ref]broadcast.Status, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return nil, fault.New(fault.NotCertain, "not_certain", "away")
	}
	active := map[broadcast.Ref]broadcast.Status{}
	for key, state := range w.states {
		if shard.Family(key) == "broadcast" {
			var b broadcast.Broadcast
			must(w.t, json.Unmarshal(state, &b))
			active[b.Ref()] = b.Status
		}
	}
	return active, nil
}

func (w *world) States(_ context.Context, _ int, keys ...string) (states [][]byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return nil, fault.New(fault.NotCertain, "not_certain", "away")
	}
	for _, key := range keys {
		states = append(states, w.states[key])
	}
	return states, nil
}

func (w *world) Ask(_ context.Context, questions []gate.Question) (answers []gate.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.IsSortedFunc(questions, func(a, b gate.Question) int { return shards.Of(a.Pseudonym) - shards.Of(b.Pseudonym) }) {
		w.t.Error("questions are not sorted by shard")
	}
	w.asked += len(questions)
	for _, q := range questions {
		answers = append(answers, w.gate(q))
	}
	return answers
}

var errCut = errors.New("connection cut")

// Publish keeps records; where it is to fail it does so after they got through, as Kafka may.
func (w *world) Publish(_ context.Context, records ...*stream.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		switch r.Topic {
		case stream.Commands:
			var c shard.Command
			must(w.t, json.Unmarshal(r.Value, &c))
			if c.Kind == broadcast.KindAudienceRelease {
				w.released++
				continue
			}
			if w.first != nil {
				must(w.t, w.fold(*w.first))
				w.first = nil
			}
			must(w.t, w.fold(c))
		case stream.Outcomes:
			r.Offset = int64(len(w.outcomes))
			w.append(*r)
		case stream.OutboundBulk:
			w.send(r)
		default:
			w.t.Errorf("record for %s", r.Topic)
		}
	}
	if w.refuse > 0 {
		w.refuse--
		return errCut
	}
	return nil
}

func (w *world) append(r stream.Record) {
	r.Offset = int64(len(w.outcomes))
	w.outcomes = append(w.outcomes, r)
	close(w.more)
	w.more = make(chan struct{})
}

// send is the lanes: a repeat is dropped, everything else becomes a fact in a while.
func (w *world) send(r *stream.Record) {
	var m chat.Outbound
	must(w.t, json.Unmarshal(r.Value, &m))
	if m.Lane(shards) != r.Partition || string(r.Key) != m.Key() {
		w.t.Errorf("row %d is in another's lane", m.Row)
	}
	if w.seen[m.ID] {
		w.repeats++
		return
	}
	w.seen[m.ID] = true
	w.messages = append(w.messages, m)
	w.inLanes++
	w.most = max(w.most, w.inLanes)
	if w.fact != nil {
		f := w.fact(m)
		time.AfterFunc(w.speed, func() { w.told(m, f) })
		return
	}
	if status := w.lane(m); status != "" {
		time.AfterFunc(w.speed, func() { w.tell(m, status) })
	}
}

func (w *world) tell(m chat.Outbound, status chat.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inLanes--
	w.append(fact(w.t, m.Broadcast, m.Row, status))
}

// told is a lane's own fact about a message.
func (w *world) told(m chat.Outbound, f chat.Fact) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f.V, f.ID, f.Account, f.Broadcast, f.Row, f.At = 1, m.ID, m.Account, m.Broadcast, m.Row, time.Now().UnixMilli()
	if f.Status != chat.Queued {
		w.inLanes--
	}
	value, err := json.Marshal(f)
	must(w.t, err)
	w.append(stream.Record{Topic: stream.Outcomes, Value: value})
}

func fact(t *testing.T, id string, row int, status chat.Status) stream.Record {
	ref := broadcast.Ref{Account: "acme", ID: id}
	value, err := json.Marshal(chat.Fact{V: 1, ID: ref.MessageID(row), Account: "acme", Broadcast: id, Row: row, Status: status})
	must(t, err)
	return stream.Record{Topic: stream.Outcomes, Value: value}
}

func (w *world) Ends(context.Context, stream.Topic, int) (first, end int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept, int64(len(w.outcomes)), nil
}

type follower struct {
	w    *world
	next int64
}

func (f *follower) Close() {}

func (f *follower) Next(ctx context.Context) (stream.Round, error) {
	f.w.mu.Lock()
	idle := time.NewTimer(f.w.idle)
	f.w.mu.Unlock()
	defer idle.Stop()
	for waited := false; ; {
		f.w.mu.Lock()
		if f.next < f.w.kept {
			f.w.mu.Unlock()
			return stream.Round{}, stream.ErrTruncated
		}
		end, more := int64(len(f.w.outcomes)), f.w.more
		records := slices.Clone(f.w.outcomes[f.next:min(end, f.next+100)])
		f.w.mu.Unlock()
		if len(records) > 0 || waited {
			f.next += int64(len(records))
			return stream.Round{Records: records, High: end}, nil
		}
		select {
		case <-more:
		case <-idle.C:
			waited = true
		case <-ctx.Done():
			return stream.Round{}, ctx.Err()
		}
	}
}

func (w *world) OpenRows(_ context.Context, _ int, first, _ int64, all []broadcast.Broadcast) (int64, map[broadcast.Ref][]int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lowest, kept := int64(-1), false
	known := map[broadcast.Ref][]int{}
	for _, b := range all {
		_, there := w.rows[b.Ref()]
		kept = kept || there
		if !there {
			w.rows[b.Ref()] = map[int]chat.Fact{}
			if from := max(b.Outcomes, first); lowest < 0 || from < lowest {
				lowest = from
			}
		}
		known[b.Ref()] = slices.Collect(maps.Keys(w.rows[b.Ref()]))
	}
	if lowest >= 0 && (w.lost || !kept || lowest < w.folded) {
		w.folded, w.lost = lowest, false
	}
	return w.folded, known, nil
}

func (w *world) FoldRows(_ context.Context, _ int, from, next int64, facts []chat.Fact) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost || w.folded < from {
		return broadcast.ErrLost
	}
	for _, f := range facts {
		rows := w.rows[broadcast.Ref{Account: f.Account, ID: f.Broadcast}]
		if rows == nil {
			return broadcast.ErrLost
		}
		if f.Status.Rank() > rows[f.Row].Status.Rank() {
			rows[f.Row] = f
		}
	}
	w.folded = max(w.folded, next)
	return nil
}

func (w *world) DropRows(_ context.Context, _ int, r broadcast.Ref) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.rows, r)
	return nil
}

// wipe loses the report, as FLUSHALL does.
func (w *world) wipe() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows, w.lost, w.folded = map[broadcast.Ref]map[int]chat.Fact{}, true, 0
}
