// Package shardtest attacks owned partitions: many owners of the same shards that are never told to stop, pauses between
// all steps, kills, wipes, compaction, repeats and random times, and then compares everything that was kept, shown, sent
// and said with an oracle computed from all commands.
package shardtest

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Mutation takes a protection out, to show that the attack notices.
type Mutation int

// The mutations.
const (
	None        Mutation = iota
	NoFence              // owners append as anybody may
	NoPositions          // writes to the view compare nothing
)

// Target is what is attacked.
type Target struct {
	Brokers []string
	Redis   []string
	Wipe    func()                       // empties Redis
	Compact func(*bus.Bus, string) error // makes the topic with this full name compact within a second; may be nil
	For     time.Duration                // of the attack
	Mutate  Mutation
	Log     zerolog.Logger
}

const (
	shards    = chat.Shards(8)
	processes = 4
	writers   = 3
	askers    = 8
	naps      = 0.04 // chance of a pause at each step of an owner
	account   = "acme"
	groups    = 160
	perGroup  = 5
)

// world is the attacked house.
type world struct {
	Target
	prefix  string
	buses   []*bus.Bus
	stores  []*store.Store
	key     chat.Key
	began   int64
	cast    roles
	ledger  truth
	sent    commands
	counted counts
}

type counts struct {
	mu                                                 sync.Mutex
	owners, kills, moves, wipes, goes, skips, unknowns int
}

func (c *counts) add(which *int) {
	c.mu.Lock()
	*which++
	c.mu.Unlock()
}

// Attack runs the attack and returns what went wrong, and a line of figures.
func Attack(t *testing.T, target Target) (Findings, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), target.For+2*time.Minute)
	defer cancel()
	w := &world{Target: target, prefix: fmt.Sprintf("attack%d.", rand.Uint32()), key: chat.Key("0123456789abcdef"), began: time.Now().UnixMilli()}
	w.cast.w, w.ledger.known, w.sent.all = w, map[chat.Pseudonym]knowledge{}, map[string]said{}
	for range processes {
		b, err := bus.Open(bus.Config{Brokers: target.Brokers, Prefix: w.prefix, Shards: shards, SingleCopy: len(target.Brokers) < 3}, target.Log)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = b.Close() }()
		s := store.Open(store.Config{Addresses: target.Redis, Prefix: w.prefix, Shards: shards})
		defer func() { _ = s.Close() }()
		w.buses, w.stores = append(w.buses, b), append(w.stores, s)
	}
	if _, err := w.buses[0].Bootstrap(ctx, hex.EncodeToString([]byte(w.prefix)), ""); err != nil {
		t.Fatal(err)
	}
	if target.Compact != nil {
		if err := target.Compact(w.buses[0], w.prefix+string(stream.State)); err != nil {
			t.Fatal(err)
		}
	}
	w.cast.start(ctx)
	w.attack(ctx, t)
	settled := w.settle(ctx)
	defer w.cast.end() // until then their leases stand
	if !settled && target.Mutate == None {
		t.Errorf("not settled within a minute: %s", w.describe(ctx))
	}
	f := w.compare(ctx, t)
	c := &w.counted
	return f, fmt.Sprintf("%v: %d commands, owners %d, kills %d, moves %d, wipes %d; gate said go %d, skip %d, unknown %d",
		target.For, len(w.sent.all), c.owners, c.kills, c.moves, c.wipes, c.goes, c.skips, c.unknowns)
}

// attack lets everything loose until the time is over.
func (w *world) attack(ctx context.Context, t *testing.T) {
	t.Helper()
	stop, over := context.WithTimeout(ctx, w.For)
	defer over()
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			if err := w.write(stop, ctx, n); err != nil {
				t.Errorf("writer %d: %v", n, err)
			}
		})
	}
	for n := range askers {
		all.Go(func() { w.ask(stop, w.stores[n%processes]) })
	}
	for stop.Err() == nil {
		pause(stop, 50*time.Millisecond+rand.N(500*time.Millisecond))
		switch x := rand.IntN(10); {
		case x < 3:
			w.Wipe()
			w.counted.add(&w.counted.wipes)
		case x < 6:
			w.cast.kill()
		default:
			w.cast.move(rand.IntN(int(shards)))
		}
	}
	all.Wait()
	w.cast.mu.Lock()
	w.cast.calm = true
	w.cast.mu.Unlock()
}

// settle waits until every shard has handled all commands and its lease is there, three times in a row, since commands
// beget commands.
func (w *world) settle(ctx context.Context) bool {
	deadline := time.Now().Add(time.Minute)
	for quiet := 0; quiet < 3; {
		if time.Now().After(deadline) {
			return false
		}
		if w.quiet(ctx) {
			quiet++
		} else {
			quiet = 0
		}
		pause(ctx, 100*time.Millisecond)
	}
	return true
}

func (w *world) quiet(ctx context.Context) bool {
	for s := range int(shards) {
		at, err := w.cursor(ctx, s)
		if err != nil {
			return false
		}
		if _, end, err := w.buses[0].Ends(ctx, stream.Commands, s); err != nil || at < end {
			return false
		}
	}
	return true
}

func (w *world) describe(ctx context.Context) (text string) {
	for s := range int(shards) {
		at, err := w.cursor(ctx, s)
		_, end, _ := w.buses[0].Ends(ctx, stream.Commands, s)
		text += fmt.Sprintf("[%d: %d of %d, %v] ", s, at, end, err)
	}
	return text
}

// roles are the owners, and who is meant to be one.
type roles struct {
	w       *world
	ctx     context.Context
	mu      sync.Mutex
	meant   [shards]int // the id of the owner that is assigned to a shard
	alive   map[int]cast
	next    int
	running sync.WaitGroup
	calm    bool // the attack is over
}

type cast struct {
	shard int
	quit  context.CancelFunc
}

func (r *roles) start(ctx context.Context) {
	r.ctx, r.alive = ctx, map[int]cast{}
	for s := range int(shards) {
		for range 3 {
			r.assign(s, r.spawn(s))
		}
	}
}

// spawn starts one more owner that believes in its calling until it is killed or refused.
func (r *roles) spawn(s int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	id, process := r.next, r.next%processes
	ctx, quit := context.WithCancel(r.ctx)
	r.alive[id] = cast{s, quit}
	r.w.counted.add(&r.w.counted.owners)
	b, nap := r.w.buses[process], lazy{naps, func() { r.betray(s, id) }}
	var log shard.Log = b.Own("shard", s)
	if r.w.Mutate == NoFence {
		log = unfenced{b}
	}
	var view shard.View = r.w.stores[process].View(s)
	if r.w.Mutate == NoPositions {
		view = unchecked{view}
	}
	o := &shard.Owner{
		Shards: shards, Shard: s, Rules: optout.Rules(), Reader: b, Logger: r.w.Log,
		Log: lazyLog{nap, log}, View: lazyView{nap, view}, Publisher: lazyPublisher{nap, b},
		Follow:  func(from int64) shard.Follower { return b.Follow(stream.Commands, s, from) },
		Holds:   func(ctx context.Context) error { return r.holds(ctx, s, id) },
		Decided: r.w.ledger.note,
	}
	r.running.Go(func() {
		if err := o.Run(ctx); err != nil && ctx.Err() == nil {
			r.w.Log.Error().Err(err).Msg("owner gave up")
		}
	})
	return id
}

// holds waits until this owner is the one assigned: only deposed ones and newcomers ask, nobody is told to stop.
func (r *roles) holds(ctx context.Context, s, id int) error {
	for {
		r.mu.Lock()
		mine := r.meant[s] == id
		r.mu.Unlock()
		if mine {
			return nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// betray takes the shard from an owner that has just fallen asleep, one time in two.
func (r *roles) betray(s, id int) {
	r.mu.Lock()
	due := r.meant[s] == id && !r.calm && rand.IntN(2) == 0
	r.mu.Unlock()
	if due {
		r.move(s)
	}
}

// move assigns a shard to somebody else, who may be new. The one before is not told.
func (r *roles) move(s int) {
	r.mu.Lock()
	var others []int
	for id, c := range r.alive {
		if c.shard == s && id != r.meant[s] {
			others = append(others, id)
		}
	}
	if len(others) > 0 {
		r.meant[s] = others[rand.IntN(len(others))]
	}
	r.mu.Unlock()
	if len(others) < 2 {
		r.assign(s, r.spawn(s))
	}
	r.w.counted.add(&r.w.counted.moves)
}

func (r *roles) assign(s, id int) {
	r.mu.Lock()
	r.meant[s] = id
	r.mu.Unlock()
}

// kill ends an owner in the middle of whatever it does; if it was the assigned one, another is.
func (r *roles) kill() {
	r.mu.Lock()
	ids := make([]int, 0, len(r.alive))
	for id := range r.alive {
		ids = append(ids, id)
	}
	id := ids[rand.IntN(len(ids))]
	c := r.alive[id]
	delete(r.alive, id)
	mine := r.meant[c.shard] == id
	r.mu.Unlock()
	c.quit()
	r.w.counted.add(&r.w.counted.kills)
	if mine {
		r.assign(c.shard, r.spawn(c.shard))
	}
}

func (r *roles) end() {
	r.mu.Lock()
	for _, c := range r.alive {
		c.quit()
	}
	r.mu.Unlock()
	r.running.Wait()
}

// commands are all that writers appended.
type commands struct {
	mu  sync.Mutex
	all map[string]said
}

// said is one command as it was meant.
type said struct {
	who   []optout.Ref
	out   bool
	marks []optout.Mark
	typed bool
}

func (w *world) person(group, n int) optout.Ref {
	id := chat.Identifier(fmt.Sprintf("phone:%d%06d%d", 4915000+n*7, group, n))
	return optout.Ref{ID: id, P: w.key.Pseudonym(id)}
}

func (w *world) anybody() optout.Ref { return w.person(rand.IntN(groups), rand.IntN(perGroup)) }

// compose makes a random command. People of odd groups opted in long ago, so that their first STOP decides for good.
func (w *world) compose(id string) (said, []*stream.Record, error) {
	group := rand.IntN(groups)
	s := said{who: []optout.Ref{w.person(group, rand.IntN(perGroup))}, typed: rand.IntN(3) > 0, out: true}
	at := w.began + rand.Int64N(60_000)
	switch {
	case group%2 == 0:
		s.out = rand.IntN(2) == 0
	case rand.IntN(4) > 0:
		s.out, at = false, 1
	}
	if other := w.person(group, rand.IntN(perGroup)); rand.IntN(10) == 0 && other != s.who[0] {
		s.who = append(s.who, other)
	}
	made := time.Now().UnixMilli()
	if len(s.who) == 2 && rand.IntN(4) == 0 {
		records, err := optout.Tie{Who: s.who, At: at, By: optout.SourceWebhook}.Records(shards, id, account, made)
		return s, records, err
	}
	s.marks = []optout.Mark{{List: "default", Channel: "wa", At: at, Source: optout.SourceMessage, Rule: "stop", Message: id}}
	if rand.IntN(5) == 0 {
		s.marks = append(s.marks, optout.Mark{List: "news", Channel: chat.AnyChannel, At: at, Source: optout.SourceMessage, Rule: "stop", Message: id})
	}
	change := optout.Change{Who: s.who, Out: s.out, Marks: s.marks, Linked: true}
	if s.typed {
		change.Confirm = &optout.Confirm{Channel: "wa", Given: s.who[0].ID.Value(), Texts: []optout.Text{{List: "default", Body: "ok"}, {List: "news", Body: "ok"}}}
	}
	records, err := change.Records(shards, id, account, made)
	return s, records, err
}

// write appends commands until stop: some of them again, some to one of their shards only, and to all of them later.
func (w *world) write(stop, ctx context.Context, writer int) error {
	b := w.buses[writer%processes]
	var old [][]*stream.Record
	var late sync.WaitGroup
	defer late.Wait()
	for i := 0; stop.Err() == nil; i++ {
		id := fmt.Sprintf("w%d.%d", writer, i)
		s, records, err := w.compose(id)
		if err != nil {
			return err
		}
		w.sent.mu.Lock()
		w.sent.all[id] = s
		w.sent.mu.Unlock()
		old = append(old, records)
		if len(records) == 2 && rand.IntN(2) == 0 { // whoever appended it died between the two shards, and does it again
			both := clones(records)
			late.Go(func() {
				pause(ctx, rand.N(1500*time.Millisecond))
				_ = b.Publish(ctx, both...)
			})
			records = records[rand.IntN(2):][:1]
		}
		if rand.IntN(8) == 0 {
			records = append(slices.Clone(records), old[rand.IntN(len(old))]...)
		}
		if err := b.Publish(ctx, clones(records)...); err != nil {
			return err
		}
		pause(stop, 4*time.Millisecond)
	}
	return nil
}

// clones gives copies, since Publish notes places in the records.
func clones(records []*stream.Record) []*stream.Record {
	out := make([]*stream.Record, len(records))
	for i, r := range records {
		c := *r
		out[i] = &c
	}
	return out
}

// pause waits; false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
