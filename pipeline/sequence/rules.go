package sequence

import (
	"errors"
	"fmt"
	"strings"

	"optgate/pipeline/shard"
)

// The kinds of commands about sequences. All go to the sequence's own shard.
const (
	KindCreate      = "sequence.create"
	KindChange      = "sequence.change"      // its name, lists, quiet hours and steps
	KindStatus      = "sequence.status"      // it is paused, goes on, or is deleted
	KindSubscribe   = "sequence.subscribe"   // some people
	KindUnsubscribe = "sequence.unsubscribe" // one person
	KindStep        = "sequence.step"        // a step is decided for some people: it goes to their lanes, or is known not to
	KindMove        = "sequence.move"        // people wait for another step or time than before
	KindFacts       = "sequence.facts"       // what became known of messages
	KindForget      = "sequence.forget"      // people whose subscriptions ended long ago go, and at the end a deleted sequence
)

// Codes of answers that refuse.
const (
	CodeNotFound    = "unknown_sequence"
	CodeNoPerson    = "unknown_subscriber"
	CodeWrongStatus = "wrong_status"
	CodeStale       = "stale"
	CodeChanged     = "changed" // between the making of a command and its fold: make it anew
	CodeUnknownStep = "unknown_step"
)

// Rules gives the folds of sequences. They see nothing but the sequence, its sums, and the people that a command names.
func Rules() shard.Rules {
	return shard.Rules{
		KindCreate:      rule(foldCreate),
		KindChange:      rule(foldChange),
		KindStatus:      rule(foldStatus),
		KindSubscribe:   rule(foldSubscribe),
		KindUnsubscribe: rule(foldUnsubscribe),
		KindStep:        rule(foldStep),
		KindMove:        rule(foldMove),
		KindFacts:       rule(foldFacts),
		KindForget:      rule(foldForget),
	}
}

// body is what a command of this package carries.
type body interface {
	target() string        // id of the sequence
	people(r Ref) []string // keys of the subscribers that it may touch
}

// desk is what a fold works on.
type desk struct {
	*shard.Turn
	command shard.Command
	ref     Ref
	q       Sequence
	sums    Sums
	there   bool // the sequence
}

// rule makes the fold of one kind. What was answered before is not decided again: ids of commands are those of requests.
func rule[B any, P interface {
	*B
	body
}](fold func(d *desk, b *B) error,
) shard.Fold {
	read := func(c shard.Command) (Ref, P, error) {
		b, err := shard.Body[B](c)
		if err != nil {
			return Ref{}, nil, err
		}
		r := Ref{c.Account, P(b).target()}
		if c.Account == "" || r.ID == "" || strings.Contains(c.Account+r.ID, "/") {
			return r, nil, errors.New("command names no sequence")
		}
		return r, b, nil
	}
	return shard.Fold{
		Keys: func(p shard.Place, c shard.Command) ([]string, error) {
			r, b, err := read(c)
			if err != nil {
				return nil, err
			}
			if r.Shard(p.Shards) != p.Shard {
				return nil, errors.New("the sequence belongs to another shard")
			}
			return append(b.people(r), r.Key(), r.SumsKey(), shard.AnswerKey(c.ID)), nil
		},
		Apply: func(t *shard.Turn, c shard.Command) error {
			r, b, err := read(c)
			if err != nil {
				return err
			}
			if answered, err := t.Get(shard.AnswerKey(c.ID), &shard.Answer{}); answered || err != nil {
				return err
			}
			d := &desk{Turn: t, command: c, ref: r}
			if d.there, err = t.Get(r.Key(), &d.q); err != nil {
				return err
			}
			if _, err := t.Get(r.SumsKey(), &d.sums); err != nil {
				return err
			}
			return fold(d, (*B)(b))
		},
	}
}

// say answers the command.
func (d *desk) say(value any) error { return d.Answer(d.command, shard.Answer{OK: true, Value: value}) }

func (d *desk) refuse(code, format string, args ...any) error {
	return d.Answer(d.command, shard.Answer{Code: code, Msg: fmt.Sprintf(format, args...)})
}

func (d *desk) unknown() error { return d.refuse(CodeNotFound, "There is no such sequence.") }

// keep decides the sequence.
func (d *desk) keep() error { return d.Put(d.ref.Key(), d.q) }

// count decides the sums.
func (d *desk) count() error { return d.Put(d.ref.SumsKey(), d.sums) }
