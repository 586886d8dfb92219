package sequence_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

const shards = chat.Shards(2)

var (
	key       = chat.Key("0123456789abcdef")
	directory = chat.NewDirectory([]string{"acme"}, []chat.Channel{
		{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "1", DefaultCountry: "GB", Rate: 10},
	})
	ref = sequence.Ref{Account: "acme", ID: "seq_1"}
)

// world is all that a runner touches, in memory: the sequence's owner, the log of outcomes, the gate, the lanes and Meta. It is run
// inside a synctest bubble.
type world struct {
	t  *testing.T
	mu sync.Mutex

	states   map[string][]byte
	offset   int64 // of the next command
	away     bool  // the view is not certain
	outcomes []stream.Record
	first    int64         // what Kafka still keeps of them
	more     chan struct{} // closed when outcomes grow, or somebody commands something
	seen     map[string]bool
	messages []sent
	repeats  int
	inLanes  int
	most     int
	kill     int // operations until the runner's process is killed; 0: it lives

	gate  func(q gate.Question) gate.Answer
	lane  func(m chat.Outbound) chat.Status
	speed time.Duration // of lanes
	idle  time.Duration // between rounds of facts that bring nothing
}

// sent is a message that a lane was given.
type sent struct {
	chat.Outbound
	at time.Time
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, states: map[string][]byte{}, more: make(chan struct{}), seen: map[string]bool{}, speed: 10 * time.Millisecond, idle: 5 * time.Minute,
		gate: func(gate.Question) gate.Answer { return gate.Answer{Verdict: gate.Go} },
		lane: func(chat.Outbound) chat.Status { return chat.Sent },
	}
}

// run starts a runner and gives what ends it.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	process := &process{w, cancel, false}
	r := &sequence.Runner{
		Shards: shards, Shard: ref.Shard(shards), States: process, Gate: process, Reader: process,
		Follow:    func(from int64) shard.Follower { return &follower{w, from} },
		Publisher: process, Directory: directory, Metrics: w, Logger: zerolog.Nop(),
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

// process is one process's reach into the world: what it does is counted, and it is killed at a chosen operation, before or after
// that has happened.
type process struct {
	*world
	cancel func()
	dead   bool
}

var errKilled = errors.New("killed")

// op counts an operation; killed is true where it is the process's last, or would have been.
func (p *process) op() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kill > 0 {
		if p.kill--; p.kill == 0 {
			p.dead = true
			p.cancel()
		}
	}
	return p.dead
}

func (p *process) Publish(ctx context.Context, records ...*stream.Record) error {
	if p.op() {
		return errKilled
	}
	for _, r := range records {
		if err := p.world.Publish(ctx, r); err != nil {
			return err
		}
		if p.op() { // it got through, and nobody lives to know it
			return errKilled
		}
	}
	return nil
}

func (p *process) DueSubscribers(ctx context.Context, r sequence.Ref, until int64, limit int) ([]sequence.Subscriber, error) {
	if p.op() {
		return nil, errKilled
	}
	return p.world.DueSubscribers(ctx, r, until, limit)
}

func (w *world) Gate(string) {}

// Publish folds commands, as their owner does, effects included.
func (w *world) Publish(_ context.Context, records ...*stream.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		var c shard.Command
		must(w.t, json.Unmarshal(r.Value, &c))
		if r.Topic != stream.Commands || r.Partition != ref.Shard(shards) {
			w.t.Errorf("%s goes to %s/%d", c.Kind, r.Topic, r.Partition)
		}
		w.fold(c)
	}
	return nil
}

func (w *world) fold(c shard.Command) {
	rule, place := sequence.Rules()[c.Kind], shard.Place{Shards: shards, Shard: ref.Shard(shards), Offset: w.offset}
	w.offset++
	keys, err := rule.Keys(place, c)
	must(w.t, err)
	loaded := map[string][]byte{}
	for _, k := range keys {
		loaded[k] = w.states[k]
	}
	turn := shard.NewTurn(place, loaded, nil)
	must(w.t, rule.Apply(turn, c))
	states, _, effects := turn.Said()
	for _, e := range effects {
		switch e.Topic {
		case stream.OutboundBulk:
			w.send(e)
		case stream.Outcomes:
			w.append(*e)
		default:
			w.t.Errorf("effect for %s", e.Topic)
		}
	}
	maps.Copy(w.states, states)
	maps.DeleteFunc(w.states, func(_ string, state []byte) bool { return state == nil })
}

// ask makes a command and gives what its fold answered.
func (w *world) ask(kind string, body any) shard.Answer {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	id := "asked." + time.Now().Format(time.RFC3339Nano) + kind + string(rune('a'+w.offset%26))
	c, err := shard.NewCommand(id, kind, "acme", time.Now().UnixMilli(), body)
	must(w.t, err)
	w.fold(c)
	w.wake()
	var a shard.Answer
	if said := w.states[shard.AnswerKey(id)]; said != nil {
		must(w.t, json.Unmarshal(said, &a))
	}
	return a
}

func (w *world) append(r stream.Record) {
	r.Offset = int64(len(w.outcomes))
	w.outcomes = append(w.outcomes, r)
	w.wake()
}

func (w *world) wake() {
	close(w.more)
	w.more = make(chan struct{})
}

// send is the lanes: a repeat is dropped, everything else becomes a fact in a while.
func (w *world) send(r *stream.Record) {
	var m chat.Outbound
	must(w.t, json.Unmarshal(r.Value, &m))
	if m.Lane(shards) != r.Partition || string(r.Key) != m.Key() {
		w.t.Errorf("%s is in another's lane", m.ID)
	}
	if w.seen[m.ID] {
		w.repeats++
		return
	}
	w.seen[m.ID] = true
	w.messages = append(w.messages, sent{m, time.Now()})
	w.inLanes++
	w.most = max(w.most, w.inLanes)
	if status := w.lane(m); status != "" {
		time.AfterFunc(w.speed, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.inLanes--
			w.tell(m, status)
		})
	}
}

func (w *world) tell(m chat.Outbound, status chat.Status) {
	f := chat.Fact{
		V: 1, ID: m.ID, Account: m.Account, Broadcast: m.Broadcast, Row: m.Row, Status: status, MessageID: "wamid." + m.ID,
		At: time.Now().UnixMilli(),
	}
	value, err := json.Marshal(f)
	must(w.t, err)
	w.append(stream.Record{Topic: stream.Outcomes, Value: value})
}

func (w *world) certain() error {
	if w.away {
		return fault.New(fault.NotCertain, "not_certain", "away")
	}
	return nil
}

func (w *world) Sequences(context.Context, int) (map[sequence.Ref]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[sequence.Ref]string{}
	for k, state := range w.states {
		if name, ok := strings.CutPrefix(k, "sequence/"); ok {
			r, _ := sequence.ParseRef(name)
			all[r] = string(state)
		}
	}
	return all, w.certain()
}

func (w *world) Sequence(_ context.Context, r sequence.Ref) (*sequence.Sequence, *sequence.Sums, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.states[r.Key()] == nil {
		return nil, nil, w.certain()
	}
	q, s := &sequence.Sequence{}, &sequence.Sums{}
	must(w.t, json.Unmarshal(w.states[r.Key()], q))
	must(w.t, json.Unmarshal(w.states[r.SumsKey()], s))
	return q, s, w.certain()
}

func (w *world) people(r sequence.Ref) (all []sequence.Subscriber) {
	for k, state := range w.states {
		if strings.HasPrefix(k, "subscriber/"+r.String()+"/") {
			var s sequence.Subscriber
			must(w.t, json.Unmarshal(state, &s))
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b sequence.Subscriber) int { return strings.Compare(a.Place(), b.Place()) })
	return all
}

func (w *world) DueSubscribers(_ context.Context, r sequence.Ref, until int64, limit int) ([]sequence.Subscriber, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.DeleteFunc(w.people(r), func(s sequence.Subscriber) bool { return s.Due > until })
	slices.SortStableFunc(all, func(a, b sequence.Subscriber) int { return int(a.Due - b.Due) })
	return all[:min(limit, len(all))], w.certain()
}

func (w *world) Subscribers(_ context.Context, r sequence.Ref, after string, limit int) (page []sequence.Subscriber, next string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.DeleteFunc(w.people(r), func(s sequence.Subscriber) bool { return s.Place() <= after })
	if len(all) > limit {
		all, next = all[:limit], all[limit-1].Place()
	}
	return all, next, w.certain()
}

func (w *world) Ask(_ context.Context, questions []gate.Question) (answers []gate.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range questions {
		answers = append(answers, w.gate(q))
	}
	return answers
}

func (w *world) Ends(context.Context, stream.Topic, int) (first, end int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first, int64(len(w.outcomes)), nil
}

// pause is how long a round lasts that brings nothing: until somebody is due, so that days pass in few rounds.
func (w *world) pause() time.Duration {
	pause := w.idle
	for _, s := range w.people(ref) {
		if wait := time.Until(time.UnixMilli(s.Due)); wait > 0 {
			pause = min(pause, wait)
		} else {
			pause = min(pause, 15*time.Second)
		}
	}
	return pause
}

type follower struct {
	w    *world
	next int64
}

func (f *follower) Close() {}

func (f *follower) Next(ctx context.Context) (stream.Round, error) {
	f.w.mu.Lock()
	idle := time.NewTimer(f.w.pause())
	f.w.mu.Unlock()
	defer idle.Stop()
	for waited := false; ; {
		f.w.mu.Lock()
		end, more := int64(len(f.w.outcomes)), f.w.more
		records := slices.Clone(f.w.outcomes[f.next:min(end, f.next+100)])
		f.w.mu.Unlock()
		if len(records) > 0 || waited {
			f.next += int64(len(records))
			return stream.Round{Records: records, High: end}, nil
		}
		select {
		case <-more:
			waited = true
		case <-idle.C:
			waited = true
		case <-ctx.Done():
			return stream.Round{}, ctx.Err()
		}
	}
}

// plan makes the sequence seq_1.
func (w *world) plan(body string) {
	w.t.Helper()
	p, wrong, err := sequence.ParsePlan([]byte(body))
	must(w.t, err)
	if len(wrong) > 0 {
		w.t.Fatal(wrong)
	}
	w.mu.Lock()
	outcomes := int64(len(w.outcomes))
	w.mu.Unlock()
	if a := w.ask(sequence.KindCreate, sequence.Create{ID: ref.ID, Outcomes: outcomes, Plan: p}); !a.OK {
		w.t.Fatalf("%+v", a)
	}
}

// change changes it.
func (w *world) change(body string) {
	w.t.Helper()
	p, wrong, err := sequence.ParsePatch([]byte(body))
	must(w.t, err)
	if len(wrong) > 0 {
		w.t.Fatal(wrong)
	}
	if a := w.ask(sequence.KindChange, sequence.Change{ID: ref.ID, Patch: p}); !a.OK {
		w.t.Fatalf("%+v", a)
	}
}

func (w *world) become(s sequence.Status) {
	w.t.Helper()
	if a := w.ask(sequence.KindStatus, sequence.SetStatus{ID: ref.ID, Status: s}); !a.OK {
		w.t.Fatalf("%+v", a)
	}
}

// subscribe subscribes people and gives what became of each.
func (w *world) subscribe(fresh bool, phones ...string) (results []string) {
	w.t.Helper()
	q, _, err := w.Sequence(w.t.Context(), ref)
	must(w.t, err)
	body := sequence.Subscribe{ID: ref.ID, Version: q.Version, Fresh: fresh}
	calendar := sequence.Calendar{Directory: directory}
	for _, phone := range phones {
		to := chat.Identifier("phone:" + phone)
		body.People = append(body.People, calendar.Candidate(*q, key.Pseudonym(to), sequence.Person{To: to, Given: "+" + phone, Params: map[string]string{"name": "Ada"}}, time.Now()))
	}
	a := w.ask(sequence.KindSubscribe, body)
	raw, err := json.Marshal(a.Value)
	must(w.t, err)
	if must(w.t, json.Unmarshal(raw, &results)); !a.OK {
		w.t.Fatalf("%+v", a)
	}
	return results
}

func (w *world) unsubscribe(phone string) {
	w.t.Helper()
	if a := w.ask(sequence.KindUnsubscribe, sequence.Unsubscribe{ID: ref.ID, P: key.Pseudonym(chat.Identifier("phone:" + phone))}); !a.OK {
		w.t.Fatalf("%+v", a)
	}
}

// after lets time pass.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// texts gives what was sent to somebody, as "minutes since the beginning: text".
func (w *world) texts(began time.Time, phone string) (texts []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.messages {
		var body struct{ Text struct{ Body string } }
		must(w.t, json.Unmarshal(m.Message, &body))
		if m.To == chat.Identifier("phone:"+phone) {
			texts = append(texts, m.at.Sub(began).Truncate(time.Minute).String()+" "+body.Text.Body)
		}
	}
	return texts
}

// standing gives somebody's subscription.
func (w *world) standing(phone string) (s sequence.Subscriber) {
	w.mu.Lock()
	defer w.mu.Unlock()
	raw := w.states[ref.SubscriberKey(key.Pseudonym(chat.Identifier("phone:"+phone)))]
	if raw != nil {
		must(w.t, json.Unmarshal(raw, &s))
	}
	return s
}

// adds checks that the sums are those of the rows.
func (w *world) adds() *sequence.Sums {
	w.t.Helper()
	_, sums, err := w.Sequence(w.t.Context(), ref)
	must(w.t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	people, rows, counted := map[sequence.Standing]int{}, map[chat.Status]int{}, map[chat.Status]int{}
	for _, s := range w.people(ref) {
		people[s.Standing]++
		for _, r := range s.Rows {
			rows[r.Shown()]++
		}
	}
	for _, by := range sums.Steps {
		for status, n := range by {
			counted[status] += n
		}
	}
	if !maps.Equal(rows, counted) || !maps.Equal(people, sums.People) && len(people)+len(sums.People) > 0 {
		w.t.Errorf("sums %v %v, there are %v %v", sums.People, counted, people, rows)
	}
	return sums
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
