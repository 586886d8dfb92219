package sequence

import (
	"slices"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// Subscribe is the body of a sequence.subscribe.
type Subscribe struct {
	ID      string      `json:"id"`
	Version int64       `json:"version"`         // of the sequence that Step and Due were computed by
	Fresh   bool        `json:"fresh,omitempty"` // whoever was subscribed before, and is no more, is left alone
	People  []Candidate `json:"people"`
}

// Candidate is one of them, with the first step and when it is due; step 0: the sequence has none.
type Candidate struct {
	P chat.Pseudonym `json:"p"`
	Person
	Step int   `json:"step"`
	Due  int64 `json:"due"`
}

// What became of each candidate, as the answer to a sequence.subscribe tells in their order.
const (
	Subscribed = "subscribed"
	Again      = "again"   // after an earlier subscription's end: all steps come anew
	Already    = "already" // nothing has changed
	Before     = "before"  // has been subscribed before, and was to be left alone
	Full       = "full"    // the sequence has MaxSubscribers
)

// Unsubscribe is the body of a sequence.unsubscribe.
type Unsubscribe struct {
	ID string         `json:"id"`
	P  chat.Pseudonym `json:"p"`
}

func (b *Subscribe) target() string   { return b.ID }
func (b *Unsubscribe) target() string { return b.ID }

func (b *Subscribe) people(r Ref) []string {
	keys := make([]string, 0, len(b.People)+3)
	for _, one := range b.People {
		keys = append(keys, r.SubscriberKey(one.P))
	}
	return keys
}

func (b *Unsubscribe) people(r Ref) []string { return []string{r.SubscriberKey(b.P)} }

func foldSubscribe(d *desk, b *Subscribe) error {
	switch {
	case !d.there:
		return d.unknown()
	case d.q.Status == Deleted:
		return d.refuse(CodeWrongStatus, "A deleted sequence takes nobody any more.")
	case d.q.Version != b.Version:
		return d.refuse(CodeChanged, "The sequence was changed meanwhile. Try again.")
	}
	results := make([]string, len(b.People))
	for i, one := range b.People {
		var err error
		if results[i], err = d.subscribe(one, b.Fresh); err != nil {
			return err
		}
	}
	if err := d.count(); err != nil {
		return err
	}
	return d.say(results)
}

func (d *desk) subscribe(one Candidate, fresh bool) (string, error) {
	key := d.ref.SubscriberKey(one.P)
	var s Subscriber
	known, err := d.Get(key, &s)
	result := Subscribed
	switch {
	case err != nil:
		return "", err
	case known && s.Standing == Waiting:
		return Already, nil
	case known && fresh:
		return Before, nil
	case known:
		result = Again
		d.sums.person(s.Standing, -1)
	case d.sums.Subscribers() >= MaxSubscribers:
		return Full, nil
	}
	s = Subscriber{
		V: stream.Version, Account: d.ref.Account, Sequence: d.ref.ID, P: one.P, Person: one.Person, Standing: Waiting, Round: d.Offset,
		Since: d.command.Made, From: d.command.Made, Left: d.command.Made, Step: one.Step, Due: one.Due, Rows: s.Rows,
	}
	d.sums.person(Waiting, 1)
	return result, d.settle(&s)
}

// settle keeps a subscriber, who is done where no step is to come.
func (d *desk) settle(s *Subscriber) error {
	if s.Standing == Waiting && s.Step == 0 {
		d.end(s, Done)
	}
	return d.Put(d.ref.SubscriberKey(s.P), s)
}

// end ends a subscription.
func (d *desk) end(s *Subscriber, standing Standing) {
	d.sums.person(s.Standing, -1)
	d.sums.person(standing, 1)
	s.Standing, s.Step, s.Ended, s.Due = standing, 0, d.command.Made, d.command.Made+Kept.Milliseconds()
}

// foldUnsubscribe lets nothing more be decided for somebody. What was decided may be in a lane, and leaves.
func foldUnsubscribe(d *desk, b *Unsubscribe) error {
	if !d.there {
		return d.unknown()
	}
	var s Subscriber
	known, err := d.Get(d.ref.SubscriberKey(b.P), &s)
	if err != nil {
		return err
	}
	if !known {
		return d.refuse(CodeNoPerson, "That person is not subscribed to this sequence.")
	}
	if s.Standing == Waiting {
		d.end(&s, Unsubscribed)
		if err := d.settle(&s); err != nil {
			return err
		}
		if err := d.count(); err != nil {
			return err
		}
	}
	return d.say(s)
}

// Forget is the body of a sequence.forget.
type Forget struct {
	ID     string           `json:"id"`
	People []chat.Pseudonym `json:"people,omitempty"`
}

func (b *Forget) target() string { return b.ID }

func (b *Forget) people(r Ref) (keys []string) {
	for _, p := range b.People {
		keys = append(keys, r.SubscriberKey(p))
	}
	return keys
}

// foldForget lets people go, with their rows, whose subscription or whose sequence ended long ago; and a deleted sequence with the
// last of them.
func foldForget(d *desk, b *Forget) error {
	if !d.there {
		return nil
	}
	over := d.q.Status == Deleted && d.command.Made-d.q.Ended >= Kept.Milliseconds()
	for _, p := range slices.Compact(slices.Sorted(slices.Values(b.People))) {
		var s Subscriber
		known, err := d.Get(d.ref.SubscriberKey(p), &s)
		if err != nil {
			return err
		}
		if !known || !over && (s.Standing == Waiting || d.command.Made-s.Ended < Kept.Milliseconds()) {
			continue
		}
		d.sums.person(s.Standing, -1)
		for _, row := range s.Rows {
			d.sums.row(row, -1)
		}
		d.Delete(d.ref.SubscriberKey(p))
	}
	if over && d.sums.Subscribers() == 0 {
		d.Delete(d.ref.Key())
		d.Delete(d.ref.SumsKey())
		return nil
	}
	return d.count()
}
