package optout

import (
	"fmt"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// word is what one command says to the identifiers it names in this shard.
type word struct {
	turn     *shard.Turn
	command  shard.Command
	root     Root // the command itself, or the one whose opt-outs travel
	out      bool // the marks opt out
	lifts    bool // where an opt-in would lift nothing, it leaves nothing behind
	marks    []Mark
	path     []chat.Pseudonym // of a travel
	linked   []Ref            // are one person's
	linkedAt int64
	linkedBy string
	said     int     // ids given to what this command causes
	changed  int     // entries that went from in to out or back
	offers   []Offer // changes to be posted to their lists' webhook URLs
}

// nextID derives the id of the next thing that the command causes.
func (w *word) nextID() string {
	w.said++
	return w.turn.ID(w.said)
}

// fold decides for one identifier, if it lives in this shard: times grow to their maxima and links are added; each change
// from in to out or back is a row of the ledger and an event, and if the root was typed and shows this identifier a
// message; what is new travels on. All of it goes out under the root's id, whether the root itself or its travel came
// first: who comes second changes nothing and says nothing.
func (w *word) fold(ref Ref) error {
	if w.turn.Shards.Of(ref.P) != w.turn.Shard {
		return nil
	}
	key := PersonKey(w.command.Account, ref.P)
	var p Person
	if _, err := w.turn.Get(key, &p); err != nil {
		return err
	}
	touched := p.ID == "" && ref.ID != ""
	if touched {
		p.ID = ref.ID
	}
	p.V = stream.Version
	fresh, linked := w.link(&p, ref)
	var grown, changed []Mark
	for _, m := range w.marks {
		if w.lifts && !p.barred(m.List, m.Channel) {
			continue
		}
		e := p.entry(m.List, m.Channel)
		before := e.Barred()
		if w.out && !e.stop(m, w.via()) || !w.out && !e.start(m) {
			touched = w.out && w.via() == 0 && e.direct(m) || touched
			continue
		}
		touched = true
		if w.out || m.List == gate.Blacklist {
			grown = append(grown, m)
		}
		if e.Barred() != before {
			changed = append(changed, m)
			w.changed++
			if err := w.record(ref.P, &p, e, m); err != nil {
				return err
			}
		}
	}
	if !touched && !linked {
		return nil
	}
	if err := w.turn.Put(key, p); err != nil {
		return err
	}
	if err := w.confirm(ref, changed); err != nil {
		return err
	}
	return w.travel(ref, &p, grown, fresh)
}

// via is the identifier that a travel comes from; 0 for what somebody said himself.
func (w *word) via() chat.Pseudonym {
	if len(w.path) == 0 {
		return 0
	}
	return w.path[len(w.path)-1]
}

// link ties the identifier to the others that the command shows.
func (w *word) link(p *Person, ref Ref) (fresh []chat.Pseudonym, changed bool) {
	for _, other := range w.linked {
		if other.P == ref.P {
			continue
		}
		isNew, differs := p.link(Link{P: other.P, Shard: w.turn.Shards.Of(other.P), Since: w.linkedAt, By: w.linkedBy})
		changed = changed || differs
		if isNew {
			fresh = append(fresh, other.P)
		}
	}
	return fresh, changed
}

// record writes a change into the ledger and tells the world.
func (w *word) record(who chat.Pseudonym, p *Person, e *Entry, m Mark) error {
	row := Row{
		V: stream.Version, Account: w.command.Account, Pseudonym: who, List: e.List, Channel: e.Channel,
		From: standing(!e.Barred()), To: standing(e.Barred()), Time: m.At, Source: m.Source, Rule: m.Rule,
		Cause: w.turn.Offset, Root: w.root.ID, Message: m.Message, Prev: e.Row,
	}
	if via := w.via(); via != 0 {
		row.Via = &via
	}
	at, err := w.turn.Row(who.String(), row)
	if err != nil {
		return fmt.Errorf("change of %s: %w", e.List, err)
	}
	e.Row = at
	if m.List == gate.Blacklist {
		return nil // nobody opted out or in: the proof of a block is its row
	}
	if m.Feed {
		w.offer(who, p, m)
	}
	return w.tell(p.ID, at, row)
}
