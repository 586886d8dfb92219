package optout

import (
	"errors"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Edit is the body of a consent.edit: what an operator, a program or an import changes for people of one shard. Nobody is
// answered by a message, whatever changes, and each edit lifts nothing but the identifier it names.
type Edit struct {
	Edits  []PersonEdit `json:"edits"`
	Import string       `json:"import,omitempty"` // the import that this is a part of; what became of it is told to it
	Part   int          `json:"part,omitempty"`   // number of the part, from 0
	Digest string       `json:"digest,omitempty"` // of what the part says, so that a part of another file is told from it
	Answer bool         `json:"answer,omitempty"` // somebody waits for the shard's answer: its value is an EditAnswer; a repeat of the command does nothing
	Show   bool         `json:"show,omitempty"`   // the answer shows each mark's entry as it is afterwards
}

// PersonEdit changes entries of one identifier.
type PersonEdit struct {
	Who   Ref    `json:"who"`
	Out   bool   `json:"out"`             // else in
	Lifts bool   `json:"lifts,omitempty"` // an opt-in: where it lifts nothing it leaves nothing behind
	Marks []Mark `json:"marks"`
}

// EditAnswer says of each edit, in their order, how many of its marks went from in to out or back, and of a part of an
// import how many people it names.
type EditAnswer struct {
	Changed []int     `json:"changed"`
	Entries [][]Entry `json:"entries,omitempty"` // where they were to be shown: an entry for each mark
}

// Counted is the body of an import.count: what became of one part of an import, for the import's own shard. A part counts
// once, however often it is told.
type Counted struct {
	Import string `json:"import"`
	Part   int    `json:"part"`
	Digest string `json:"digest"` // as the Edit had it
	Offset int64  `json:"offset"` // of the Edit in its shard: once the shard has come past it, the part is in force
	Added  int    `json:"added"`  // went from in to out
	Known  int    `json:"known"`  // were out before
	Stayed int    `json:"stayed"` // stay in: they opted in later than the import says that they opted out
}

// CommandCount tells an import what became of a part.
const CommandCount = "import.count"

// Record gives the command for the shard that all its people live in.
func (e Edit) Record(n chat.Shards, id, account string, made int64) (*stream.Record, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	c, err := shard.NewCommand(id, CommandEdit, account, made, e)
	if err != nil {
		return nil, err
	}
	return c.Record(n.Of(e.Edits[0].Who.P))
}

func (e *Edit) check() error {
	if len(e.Edits) == 0 {
		return errors.New("an edit of nobody")
	}
	for i := range e.Edits {
		if err := checkRefs([]Ref{e.Edits[i].Who}); err != nil {
			return err
		}
		if err := checkMarks(e.Edits[i].Marks); err != nil {
			return err
		}
	}
	return nil
}

func readEdit(c shard.Command) (*Edit, error) {
	edit, err := shard.Body[Edit](c)
	if err != nil {
		return nil, err
	}
	return edit, edit.check()
}

func editKeys(p shard.Place, c shard.Command) ([]string, error) {
	edit, err := readEdit(c)
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(edit.Edits)+1)
	for i := range edit.Edits {
		who := edit.Edits[i].Who.P
		if p.Shards.Of(who) != p.Shard {
			return nil, errors.New("an edit of somebody who lives in another shard")
		}
		keys = append(keys, PersonKey(c.Account, who))
	}
	if edit.Answer {
		keys = append(keys, shard.AnswerKey(c.ID))
	}
	return keys, nil
}

func applyEdit(t *shard.Turn, c shard.Command) error {
	edit, err := readEdit(c)
	if err != nil {
		return err
	}
	if edit.Answer {
		known, err := t.Get(shard.AnswerKey(c.ID), &shard.Answer{})
		if err != nil || known {
			return err // whoever asks again gets what was decided the first time
		}
	}
	answer := EditAnswer{Changed: make([]int, len(edit.Edits))}
	counted := Counted{Import: edit.Import, Part: edit.Part, Digest: edit.Digest, Offset: t.Offset}
	said, all := 0, word{turn: t, command: c}
	for i := range edit.Edits {
		e := &edit.Edits[i]
		w := word{turn: t, command: c, out: e.Out, lifts: e.Lifts, marks: e.Marks, root: Root{ID: c.ID, Shown: []Ref{e.Who}}, said: said}
		if err := w.fold(e.Who); err != nil {
			return err
		}
		said, answer.Changed[i] = w.said, w.changed
		all.offers = append(all.offers, w.offers...)
		if edit.Show {
			if err := answer.show(t, c, e); err != nil {
				return err
			}
		}
		if edit.Import != "" {
			if err := counted.add(t, c, e, w.changed); err != nil {
				return err
			}
		}
	}
	all.said = said
	if err := all.post(); err != nil {
		return err
	}
	if edit.Import != "" {
		if err := counted.tell(t, c, all.said+1); err != nil {
			return err
		}
	}
	if edit.Answer {
		return t.Answer(c, shard.Answer{OK: true, Value: answer})
	}
	return nil
}

// show adds the entries of an edit's marks, after it was folded.
func (a *EditAnswer) show(t *shard.Turn, c shard.Command, e *PersonEdit) error {
	var p Person
	if _, err := t.Get(PersonKey(c.Account, e.Who.P), &p); err != nil {
		return err
	}
	entries := make([]Entry, len(e.Marks))
	for i, m := range e.Marks {
		entries[i] = *p.entry(m.List, m.Channel)
	}
	a.Entries = append(a.Entries, entries)
	return nil
}

// add counts one row of an import, after it was folded: each names one list and channel.
func (n *Counted) add(t *shard.Turn, c shard.Command, e *PersonEdit, changed int) error {
	if changed > 0 {
		n.Added++
		return nil
	}
	var p Person
	if _, err := t.Get(PersonKey(c.Account, e.Who.P), &p); err != nil {
		return err
	}
	switch {
	case p.entry(e.Marks[0].List, e.Marks[0].Channel).Barred():
		n.Known++
	default:
		n.Stayed++
	}
	return nil
}

// tell sends the counts to the import's shard.
func (n *Counted) tell(t *shard.Turn, c shard.Command, said int) error {
	count, err := shard.NewCommand(t.ID(said), CommandCount, c.Account, c.Made, n)
	if err != nil {
		return err
	}
	r, err := count.Record(t.Shards.Import(c.Account, n.Import))
	if err != nil {
		return err
	}
	t.Send(r)
	return nil
}
