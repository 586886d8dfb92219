package broadcast_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
)

const shards = chat.Shards(2)

// decider folds commands one by one, as their shard's owner does.
type decider struct {
	states map[string][]byte
	offset int64
}

func newDecider() *decider { return &decider{states: map[string][]byte{}} }

func (d *decider) fold(c shard.Command) error {
	rule := shard.Join(broadcast.Rules(), broadcast.AudienceRules())[c.Kind]
	var named struct{ ID string }
	if err := json.Unmarshal(c.Body, &named); err != nil {
		return err
	}
	place := shard.Place{Shards: shards, Shard: shards.Broadcast(c.Account, named.ID), Offset: d.offset}
	d.offset++
	keys, err := rule.Keys(place, c)
	if err != nil {
		return err
	}
	states := map[string][]byte{}
	for _, key := range keys {
		states[key] = d.states[key]
	}
	turn := shard.NewTurn(place, states, nil)
	if err := rule.Apply(turn, c); err != nil {
		return err
	}
	changed, _, _ := turn.Said()
	for key, state := range changed {
		if shard.Family(key) != "answer" && !slices.Contains(keys, key) {
			panic("fold decided a state that it did not name: " + key)
		}
		if d.states[key] = state; state == nil {
			delete(d.states, key)
		}
	}
	return nil
}

func (d *decider) answer(c shard.Command) string { return string(d.states[shard.AnswerKey(c.ID)]) }

func (d *decider) broadcast(t *testing.T, r broadcast.Ref) (b broadcast.Broadcast) {
	if err := json.Unmarshal(d.states[r.Key()], &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func commands(t *testing.T, body string) (broadcast.Draft, []shard.Command, shard.Command) {
	t.Helper()
	d, err := draft(body)
	if err != nil {
		t.Fatal(err)
	}
	pages, create, err := d.Commands(terms().Now, 17)
	if err != nil {
		t.Fatal(err)
	}
	return d, pages, create
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestABroadcastExistsOnceAllPagesAndItselfAreThere(t *testing.T) {
	_, pages, create := commands(t, asked(numbered(1100)...))
	d := newDecider()
	must(t, d.fold(create))
	if !strings.Contains(d.answer(create), `"code":"incomplete"`) {
		t.Errorf("without pages: %s", d.answer(create))
	}
	must(t, d.fold(pages[2]))
	must(t, d.fold(pages[0]))
	must(t, d.fold(create))
	if !strings.Contains(d.answer(create), `"code":"incomplete"`) {
		t.Errorf("without a page: %s", d.answer(create))
	}
	must(t, d.fold(pages[1]))
	must(t, d.fold(create))
	first := d.answer(create)
	golden(t, "states.json", map[string]json.RawMessage{
		"broadcast": d.states["broadcast/acme/b1"], "answer": json.RawMessage(first),
	})
	states := maps.Clone(d.states)
	for _, c := range append(pages, create) { // published again
		must(t, d.fold(c))
	}
	if !maps.EqualFunc(states, d.states, slices.Equal[[]byte]) {
		t.Error("a repeat changed something")
	}
}

func TestAnIdempotencyKeyBelongsToItsFirstRequest(t *testing.T) {
	_, mine, create := commands(t, asked(numbered(1100)...))
	_, others, theirs := commands(t, asked(to("+447700900199")))
	f := func(order ...shard.Command) {
		t.Helper()
		d := newDecider()
		for _, c := range order {
			must(t, d.fold(c))
		}
		if !strings.Contains(d.answer(create), `"ok":true`) || !strings.Contains(d.answer(theirs), "idempotency_key_reused") {
			t.Errorf("mine %.100s, theirs %.100s", d.answer(create), d.answer(theirs))
		}
		for n := range mine {
			page := string(d.states[broadcast.Ref{Account: "acme", ID: "b1"}.PageKey(n)])
			if page == "" || strings.Contains(page, "447700900199") {
				t.Errorf("page %d is not mine", n)
			}
		}
	}
	f(mine[0], mine[1], mine[2], create, others[0], theirs)
	f(mine[0], others[0], mine[1], theirs, mine[2], create)
}

func TestABroadcastOnlyMovesOn(t *testing.T) {
	started := func(d *decider, ref broadcast.Ref) {
		c, err := shard.NewCommand("start", broadcast.KindStatus, ref.Account, 7, map[string]any{"id": ref.ID, "status": "running", "from": "planned"})
		must(t, err)
		must(t, d.fold(c))
	}
	f := func(path string, next, want broadcast.Status, refused string) {
		t.Helper()
		d, ref := created(t)
		move := func(s broadcast.Status) shard.Command {
			c, err := broadcast.StatusCommand("move", ref, s, "we say so", 99)
			must(t, err)
			must(t, d.fold(c))
			return c
		}
		for step := range strings.FieldsSeq(path) {
			if step == "start" {
				started(d, ref)
			} else {
				move(broadcast.Status(step))
			}
		}
		before := d.broadcast(t, ref)
		c := move(next)
		b := d.broadcast(t, ref)
		if b.Status != want || !strings.Contains(d.answer(c), refused) || (b.Moves != before.Moves) != (b.Status != before.Status) {
			t.Errorf("%s, to %s: %+v %s", path, next, b, d.answer(c))
		}
		if (b.Ended == 99) != b.Status.Over() {
			t.Errorf("%s: ended %d", b.Status, b.Ended)
		}
		if paused := b.Pause != nil && *b.Pause == (broadcast.Pause{Code: broadcast.PauseAsked, Reason: "we say so", At: 99}); paused != (b.Status == broadcast.Paused) {
			t.Errorf("%s: %+v", b.Status, b.Pause)
		}
		if (b.Reason == "we say so") != (b.Status == broadcast.Cancelled) {
			t.Errorf("%s, since %q", b.Status, b.Reason)
		}
	}
	const ok, wrong = `"ok":true`, `"code":"wrong_status"`
	f("", broadcast.Paused, broadcast.Paused, ok)
	f("", broadcast.Cancelled, broadcast.Cancelled, ok)
	f("", broadcast.Running, broadcast.Planned, ok) // it goes on to wait for its time
	f("paused", broadcast.Running, broadcast.Planned, ok)
	f("paused", broadcast.Paused, broadcast.Paused, ok)
	f("paused", broadcast.Cancelled, broadcast.Cancelled, ok)
	f("start", broadcast.Running, broadcast.Running, ok)
	f("start", broadcast.Paused, broadcast.Paused, ok)
	f("start", broadcast.Cancelled, broadcast.Cancelled, ok)
	f("start", broadcast.Finished, broadcast.Finished, ok)
	f("start paused", broadcast.Running, broadcast.Running, ok)
	f("start paused running", broadcast.Paused, broadcast.Paused, ok) // a second time
	f("start paused", broadcast.Finished, broadcast.Finished, ok)     // by what the lanes held
	for _, over := range []broadcast.Status{broadcast.Finished, broadcast.Cancelled} {
		path := "start " + string(over)
		f(path, over, over, ok)
		f(path, broadcast.Paused, over, wrong)
		f(path, broadcast.Running, over, wrong)
	}
	f("start finished", broadcast.Cancelled, broadcast.Finished, wrong)
}

func created(t *testing.T) (*decider, broadcast.Ref) {
	t.Helper()
	plan, pages, create := commands(t, asked(numbered(3)...))
	d := newDecider()
	for _, c := range append(pages, create) {
		must(t, d.fold(c))
	}
	return d, plan.Ref
}

func TestCommandsOfAnotherShardOrOfNothingAreRefused(t *testing.T) {
	_, pages, _ := commands(t, asked(to("+447700900101")))
	rule := broadcast.Rules()[broadcast.KindPage]
	home := shards.Broadcast("acme", "b1")
	if _, err := rule.Keys(shard.Place{Shards: shards, Shard: 1 - home}, pages[0]); err == nil {
		t.Error("a broadcast was decided by two shards")
	}
	for _, body := range []string{`{`, `{}`, `{"id":"a/b"}`, `{"id":"b1","page":-1}`, `{"id":"b1","page":10000}`} {
		c := pages[0]
		c.Body = json.RawMessage(body)
		if keys, err := rule.Keys(shard.Place{Shards: shards, Shard: home}, c); err == nil {
			t.Errorf("%s: %v", body, keys)
		}
	}
}

// Commands that are repeated and overtake each other make the same broadcast, as long as all arrive.
func TestOrderAndRepeatsOfPagesDoNotMatter(t *testing.T) {
	_, pages, create := commands(t, asked(numbered(501)...))
	want := newDecider()
	for _, c := range append(slices.Clone(pages), create) {
		must(t, want.fold(c))
	}
	rapid.Check(t, func(t *rapid.T) {
		d := newDecider()
		for _, c := range rapid.Permutation(slices.Concat(pages, pages, []shard.Command{create})).Draw(t, "order") {
			if err := d.fold(c); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.fold(create); err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(want.states, d.states, slices.Equal[[]byte]) {
			t.Fatal("another broadcast came out")
		}
	})
}

func TestTotalsAddUp(t *testing.T) {
	b := broadcast.Broadcast{Plan: broadcast.Plan{Audience: 40, Duplicates: 5}}
	rows := map[chat.Status]int{
		chat.Skipped: 1, chat.Sent: 2, chat.Delivered: 3, chat.Read: 4, chat.Failed: 5, chat.Unknown: 6, chat.Cancelled: 7, chat.Expired: 8,
	}
	want := broadcast.Totals{
		Audience: 40, Duplicates: 5, Queued: 4, Skipped: 1, Sent: 2, Delivered: 3, Read: 4, Failed: 5, Unknown: 6, Cancelled: 7, Expired: 8,
	}
	if got := b.Totals(rows); got != want {
		t.Errorf("%+v", got)
	}
}

func numbered(n int) (recipients []string) {
	for i := range n {
		recipients = append(recipients, to("+447700"+time.Unix(int64(i), 0).UTC().Format("150405")))
	}
	return recipients
}
