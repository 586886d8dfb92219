package sequence

import (
	"encoding/json"
	"fmt"
	"slices"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// StepOf is the body of a sequence.step: one step for some people.
type StepOf struct {
	ID      string             `json:"id"`
	Version int64              `json:"version"`           // of the sequence that all of this was found out by
	Step    int                `json:"step"`              // its number
	Message *broadcast.Message `json:"message,omitempty"` // the step's, where media had to be looked up for it
	People  []Decided          `json:"people"`
}

// Decided is what is to become of the step for one person, and what comes next.
type Decided struct {
	P      chat.Pseudonym `json:"p"`
	Round  int64          `json:"round"`
	Status chat.Status    `json:"status,omitempty"` // "": it goes to the lane
	Error  string         `json:"error,omitempty"`
	List   string         `json:"list,omitempty"`
	Reason string         `json:"reason,omitempty"`
	From   int64          `json:"from"`
	Left   int64          `json:"left"`
	Next   int            `json:"next,omitempty"` // number of the step after it; 0: none
	Due    int64          `json:"due,omitempty"`  // of that
}

// Move is the body of a sequence.move.
type Move struct {
	ID      string  `json:"id"`
	Version int64   `json:"version"`
	People  []Moved `json:"people,omitempty"`
	Swept   bool    `json:"swept,omitempty"` // by this version everybody's step and time are right
}

// Moved is where somebody waits now.
type Moved struct {
	P     chat.Pseudonym `json:"p"`
	Round int64          `json:"round"`
	From  int            `json:"from"` // number of the step that was waited for
	Next  int            `json:"next,omitempty"`
	Due   int64          `json:"due,omitempty"`
}

func (b *StepOf) target() string { return b.ID }
func (b *Move) target() string   { return b.ID }

func (b *StepOf) people(r Ref) (keys []string) {
	for _, one := range b.People {
		keys = append(keys, r.SubscriberKey(one.P))
	}
	return keys
}

func (b *Move) people(r Ref) (keys []string) {
	for _, one := range b.People {
		keys = append(keys, r.SubscriberKey(one.P))
	}
	return keys
}

// foldStep decides a step: whoever still waits for it, in a sequence that runs and is as it was looked at, gets a row and goes on
// to the next one, and the message leaves with that decision. A repeat finds nobody who waits, and does nothing.
func foldStep(d *desk, b *StepOf) error {
	step, ok := d.q.Step(b.Step)
	if !d.there || d.q.Status != Active || d.q.Version != b.Version || !ok {
		return nil
	}
	if b.Message != nil {
		step.Message = *b.Message
	}
	for _, one := range b.People {
		var s Subscriber
		known, err := d.Get(d.ref.SubscriberKey(one.P), &s)
		if err != nil {
			return err
		}
		if !known || s.Standing != Waiting || s.Round != one.Round || s.Step != b.Step {
			continue
		}
		if err := d.decide(step, &s, one); err != nil {
			return err
		}
	}
	return d.count()
}

func (d *desk) decide(step Step, s *Subscriber, one Decided) error {
	row := Row{Round: s.Round, Step: step.No, At: d.command.Made}
	fact := chat.Fact{
		V: stream.Version, ID: d.ref.MessageID(s.P, s.Round, step.No), Account: d.q.Account, Broadcast: d.q.ID, Row: step.No,
		Status: one.Status, Error: one.Error, List: one.List, Reason: one.Reason, At: d.command.Made,
	}
	if one.Status == "" {
		if err := d.hand(step, *s, fact.ID); err != nil {
			return err
		}
	} else {
		row.take(fact)
		if err := d.tell(fact); err != nil {
			return err
		}
	}
	d.sums.row(row, 1)
	s.Rows = append(s.Rows, row)
	for len(s.Rows) > mostRows {
		d.sums.row(s.Rows[0], -1)
		s.Rows = slices.Delete(s.Rows, 0, 1)
	}
	s.From, s.Left, s.Step, s.Due = one.From, one.Left, one.Next, one.Due
	return d.settle(s)
}

// hand gives the message to its lane.
func (d *desk) hand(step Step, s Subscriber, id string) error {
	message, err := step.Message.Fill(s.Params)
	if err != nil {
		return err
	}
	m := chat.Outbound{
		V: stream.Version, ID: id, Account: d.q.Account, Channel: d.q.Channel, To: s.To, Given: s.dial(), Pseudonym: s.P,
		Kind: chat.KindSequence, Category: d.q.category(step), Lists: d.q.Lists, Message: message,
		Until: d.command.Made + Validity.Milliseconds(), Broadcast: d.q.ID, Row: step.No, Quiet: d.q.Quiet,
	}
	value, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("message of sequence %s: %w", d.q.ID, err)
	}
	d.Send(&stream.Record{Topic: stream.OutboundBulk, Partition: m.Lane(d.Shards), Key: []byte(m.Key()), Value: value})
	return nil
}

// tell lets readers of outcomes know what became of a step that went to no lane.
func (d *desk) tell(f chat.Fact) error {
	value, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("fact of sequence %s: %w", d.q.ID, err)
	}
	d.Send(&stream.Record{Topic: stream.Outcomes, Partition: d.Shard, Key: []byte(d.q.ID), Value: value, Headers: f.Headers()})
	return nil
}

// foldMove lets people wait for another step, or until another time.
func foldMove(d *desk, b *Move) error {
	if !d.there || d.q.Version != b.Version || d.q.Status == Deleted {
		return nil
	}
	for _, one := range b.People {
		var s Subscriber
		known, err := d.Get(d.ref.SubscriberKey(one.P), &s)
		if err != nil {
			return err
		}
		if !known || s.Standing != Waiting || s.Round != one.Round || s.Step != one.From {
			continue
		}
		s.Step, s.Due = one.Next, one.Due
		if err := d.settle(&s); err != nil {
			return err
		}
	}
	if b.Swept {
		d.q.Swept = b.Version
		if err := d.keep(); err != nil {
			return err
		}
	}
	return d.count()
}

// Facts is the body of a sequence.facts.
type Facts struct {
	ID    string      `json:"id"`
	Next  int64       `json:"next,omitempty"` // offset of outcomes before which all facts about the sequence have been told; 0: not said
	Facts []chat.Fact `json:"facts,omitempty"`
}

func (b *Facts) target() string { return b.ID }

func (b *Facts) people(r Ref) (keys []string) {
	for _, f := range b.Facts {
		if p, _, _, ok := r.parseMessageID(f.ID); ok {
			keys = append(keys, r.SubscriberKey(p))
		}
	}
	return keys
}

// foldFacts takes facts into their rows. A fact about a row that is no longer kept is passed.
func foldFacts(d *desk, b *Facts) error {
	if !d.there {
		return nil
	}
	for _, f := range b.Facts {
		if err := d.learn(f); err != nil {
			return err
		}
	}
	d.sums.Folded = max(d.sums.Folded, b.Next)
	return d.count()
}

func (d *desk) learn(f chat.Fact) error {
	p, round, step, ok := d.ref.parseMessageID(f.ID)
	if !ok || f.Status.Rank() == 0 {
		return nil
	}
	var s Subscriber
	known, err := d.Get(d.ref.SubscriberKey(p), &s)
	if err != nil || !known {
		return err
	}
	at := slices.IndexFunc(s.Rows, func(r Row) bool { return r.Round == round && r.Step == step })
	if at < 0 {
		return nil
	}
	before := s.Rows[at]
	if !s.Rows[at].take(f) {
		return nil
	}
	d.sums.row(before, -1)
	d.sums.row(s.Rows[at], 1)
	return d.Put(d.ref.SubscriberKey(p), &s)
}
