package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

const testShards = chat.Shards(8)

var testKey = chat.Key("0123456789abcdef")

// person gives the nth person with an entry on a list and channel, barred or not, and the change of the view.
func person(n int, list, channel string, barred bool) (chat.Pseudonym, shard.Change) {
	id := chat.Identifier(fmt.Sprintf("phone:4477009%05d", n))
	p := testKey.Pseudonym(id)
	e := optout.Entry{List: list, Channel: channel, Out: 1_794_300_000_000, Source: "message", Row: 1}
	if !barred {
		e.In = e.Out + 1
	}
	state, err := json.Marshal(optout.Person{V: 1, ID: id, Entries: []optout.Entry{e}})
	if err != nil {
		panic(err)
	}
	return p, shard.Change{Key: optout.PersonKey("acme", p), New: state}
}

// owner is a view in the hands of one that behaves.
type owner struct {
	t  *testing.T
	v  *store.View
	at shard.Position
}

// lead makes an empty view of a shard this generation's, whole and certain.
func lead(t *testing.T, s *store.Store, at int, generation int64) *owner {
	t.Helper()
	o := &owner{t: t, v: s.View(at)}
	seen, err := o.v.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o.at = shard.Position{Generation: generation}
	if err := o.v.Begin(t.Context(), seen, o.at); err != nil {
		t.Fatal(err)
	}
	o.move(time.Minute)
	return o
}

// move applies changes as the next decision, with a lease.
func (o *owner) move(lease time.Duration, changes ...shard.Change) {
	o.t.Helper()
	next := shard.Position{Generation: o.at.Generation, Next: o.at.Next + 1, Whole: true}
	if _, err := o.v.Apply(o.t.Context(), o.at, next, changes, time.Now().Add(lease)); err != nil {
		o.t.Fatal(err)
	}
	o.at = next
}

func ask(ctx context.Context, s *store.Store, p chat.Pseudonym, channel string, lists ...string) gate.Answer {
	return s.Ask(ctx, []gate.Question{{Account: "acme", Channel: channel, Pseudonym: p, Lists: lists}})[0]
}

func TestTheGateKnowsListsChannelsAndNobodyElse(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		out, change := person(1, "default", "wa", true)
		everywhere, change2 := person(2, "news", chat.AnyChannel, true)
		back, change3 := person(3, "default", "wa", false)
		for at := range int(testShards) {
			lead(t, s, at, 7)
		}
		for i, c := range []shard.Change{change, change2, change3} {
			o := &owner{t: t, v: s.View(testShards.Of([]chat.Pseudonym{out, everywhere, back}[i]))}
			seen, err := o.v.Position(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			o.at = seen
			o.move(time.Minute, c)
		}
		for _, c := range []struct {
			p             chat.Pseudonym
			channel, list string
			want          gate.Verdict
			on            string
		}{
			{out, "wa", "default", gate.Skip, "wa"},
			{out, "wb", "default", gate.Go, ""},
			{out, "wa", "news", gate.Go, ""},
			{everywhere, "wa", "news", gate.Skip, "*"},
			{everywhere, "wb", "news", gate.Skip, "*"},
			{back, "wa", "default", gate.Go, ""},
			{testKey.Pseudonym("phone:447700900999"), "wa", "default", gate.Go, ""},
		} {
			a := ask(t.Context(), s, c.p, c.channel, c.list)
			if a.Verdict != c.want || a.Channel != c.on || a.Verdict == gate.Skip && a.List != c.list {
				t.Errorf("%s on %s: %+v, not %v", c.list, c.channel, a, c.want)
			}
			if left := time.Until(a.Until); left <= 0 || left > gate.Good {
				t.Errorf("the answer is good for %v", left)
			}
		}
		if other := s.Ask(t.Context(), []gate.Question{{Account: "globex", Channel: "wa", Pseudonym: out, Lists: []string{"default"}}})[0]; other.Verdict != gate.Go {
			t.Errorf("another account's gate: %v", other.Verdict)
		}
	})
}

func TestAShardWithoutALeaseIsUnknownAndSpoilsNoOther(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		p, _ := person(1, "default", "wa", true)
		q, _ := person(2, "default", "wa", true)
		if testShards.Of(p) == testShards.Of(q) {
			t.Fatal("the test needs two shards")
		}
		lead(t, s, testShards.Of(p), 3)
		answers := s.Ask(t.Context(), []gate.Question{{Account: "acme", Channel: "wa", Pseudonym: p}, {Account: "acme", Channel: "wa", Pseudonym: q}})
		if answers[0].Verdict != gate.Go || answers[1].Verdict != gate.Unknown {
			t.Errorf("%v and %v", answers[0].Verdict, answers[1].Verdict)
		}
		if _, err := s.States(t.Context(), testShards.Of(q), "cursor"); fault.KindOf(err) != fault.NotCertain {
			t.Errorf("states of an uncertain shard: %v", err)
		}
	})
}

func TestALeaseEndsByRedissClock(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		p, _ := person(1, "default", "wa", true)
		o := lead(t, s, testShards.Of(p), 3)
		now, err := o.v.Apply(t.Context(), o.at, o.at, nil, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		seen, err := o.v.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begun := shard.Position{Generation: 4, Next: seen.Next, Whole: true}
		if err := o.v.Begin(t.Context(), seen, begun); err != nil { // drops the lease
			t.Fatal(err)
		}
		if _, err := o.v.Apply(t.Context(), begun, begun, nil, now.Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		if v := ask(t.Context(), s, p, "wa").Verdict; v != gate.Unknown {
			t.Errorf("a lease that is already over: %v", v)
		}
		if now, err = o.v.Apply(t.Context(), begun, begun, nil, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := o.v.Apply(t.Context(), begun, begun, nil, now.Add(300*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if v := ask(t.Context(), s, p, "wa").Verdict; v != gate.Go {
			t.Errorf("a lease in force: %v", v)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for ask(ctx, s, p, "wa").Verdict == gate.Go {
		}
		if ctx.Err() != nil {
			t.Fatal("the lease does not end")
		}
	})
}

func TestAViewObeysItsPositionOnly(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		p, change := person(1, "default", "wa", true)
		at := testShards.Of(p)
		old := lead(t, s, at, 3)
		young := &owner{t: t, v: s.View(at)}
		seen, err := young.v.Position(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !seen.Whole || seen.Generation != 3 || seen.Next != 1 || seen.Age < 0 || seen.Age > time.Minute {
			t.Errorf("position %+v", seen)
		}
		young.at = shard.Position{Generation: 9, Next: seen.Next, Whole: true}
		if err := young.v.Begin(t.Context(), seen, young.at); err != nil {
			t.Fatal(err)
		}
		next := shard.Position{Generation: 3, Next: 2, Whole: true}
		if _, err := old.v.Apply(t.Context(), old.at, next, []shard.Change{change}, time.Now().Add(time.Minute)); !errors.Is(err, shard.ErrMoved) {
			t.Errorf("a zombie's write: %v", err)
		}
		if _, err := old.v.Load(t.Context(), old.at, []string{"cursor"}); !errors.Is(err, shard.ErrMoved) {
			t.Errorf("a zombie's read: %v", err)
		}
		if err := old.v.Begin(t.Context(), seen, old.at); !errors.Is(err, stream.ErrDeposed) {
			t.Errorf("a zombie's claim: %v", err)
		}
		if err := young.v.Begin(t.Context(), seen, shard.Position{Generation: 10}); !errors.Is(err, shard.ErrMoved) {
			t.Errorf("a claim over a view that has moved: %v", err)
		}
		young.move(time.Minute, change)
		loaded, err := young.v.Load(t.Context(), young.at, []string{change.Key, "missing"})
		if err != nil || string(loaded[0]) != string(change.New) || loaded[1] != nil {
			t.Errorf("loaded %q, %v", loaded, err)
		}
		wipe()
		if _, err := young.v.Apply(t.Context(), young.at, young.at, nil, time.Now().Add(time.Minute)); !errors.Is(err, shard.ErrMoved) {
			t.Errorf("a write after a wipe: %v", err)
		}
		if seen, err := young.v.Position(t.Context()); err != nil || seen != (shard.Position{}) {
			t.Errorf("position after a wipe: %+v, %v", seen, err)
		}
	})
}

// The gate under wipes: whatever is between two leases that are equal was whole all the time.
func TestNobodyIsAllowedBetweenAWipeAndTheReload(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		p, change := person(1, "default", "wa", true)
		at := testShards.Of(p)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var askers sync.WaitGroup
		var mu sync.Mutex
		said := map[gate.Verdict]int{}
		for range 6 {
			askers.Go(func() {
				for ctx.Err() == nil {
					v := ask(context.WithoutCancel(ctx), s, p, "wa", "default").Verdict
					mu.Lock()
					said[v]++
					mu.Unlock()
				}
			})
		}
		wipes := 0
		for generation := int64(1); ctx.Err() == nil; generation++ {
			wipe()
			wipes++
			o := lead1(t, s, at, generation)
			o.move(0, change)
			o.move(time.Minute)
		}
		askers.Wait()
		t.Logf("%d wipes: %v", wipes, said)
		if said[gate.Go] > 0 {
			t.Errorf("%d of %v answers allowed a person who had opted out", said[gate.Go], said)
		}
		if said[gate.Skip] == 0 || said[gate.Unknown] == 0 {
			t.Errorf("the test saw nothing: %v", said)
		}
	})
}

// lead1 is lead up to a view that is being loaded: no lease yet.
func lead1(t *testing.T, s *store.Store, at int, generation int64) *owner {
	t.Helper()
	o := &owner{t: t, v: s.View(at), at: shard.Position{Generation: generation}}
	seen, err := o.v.Position(t.Context())
	if err == nil {
		err = o.v.Begin(t.Context(), seen, o.at)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}
