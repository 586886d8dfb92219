package optout

import (
	"errors"
	"slices"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
)

// Root is the command that somebody made, as all that follows from it knows it.
type Root struct {
	ID      string   `json:"id"`
	Shown   []Ref    `json:"shown"`             // whom it names
	Confirm *Confirm `json:"confirm,omitempty"` // if it was typed and opts out
}

// Travel is the body of a consent.travel: opt-outs, or lifts of blocks, that go from one identifier to another along a link. Only
// what is new to an identifier travels on, so that travels end.
type Travel struct {
	Root  Root             `json:"root"`
	To    Ref              `json:"to"`
	Marks []Mark           `json:"marks"`        // opt-outs
	In    bool             `json:"in,omitempty"` // they are lifts of blocks
	Path  []chat.Pseudonym `json:"path"`         // whom they have passed, the root's own first
}

// marksPerTravel keeps a travel far below the largest command.
const marksPerTravel = 200

func readTravel(c shard.Command) (*Travel, error) {
	travel, err := shard.Body[Travel](c)
	if err != nil {
		return nil, err
	}
	if err := checkRefs([]Ref{travel.To}); err != nil {
		return nil, err
	}
	for _, m := range travel.Marks {
		if travel.In && m.List != gate.Blacklist {
			return nil, errors.New("an opt-in that travels")
		}
	}
	return travel, checkMarks(travel.Marks)
}

func travelKeys(p shard.Place, c shard.Command) ([]string, error) {
	travel, err := readTravel(c)
	if err != nil {
		return nil, err
	}
	return personKeys(p, c.Account, []Ref{travel.To}), nil
}

func applyTravel(t *shard.Turn, c shard.Command) error {
	travel, err := readTravel(c)
	if err != nil {
		return err
	}
	w := word{turn: t, command: c, out: !travel.In, marks: travel.Marks, root: travel.Root, path: travel.Path}
	if err := w.fold(travel.To); err != nil {
		return err
	}
	return w.post()
}

// travel sends opt-outs and lifts of blocks along the links: what grew to everyone linked, and all there is along a new link.
func (w *word) travel(from Ref, p *Person, grown []Mark, fresh []chat.Pseudonym) error {
	root := w.root
	if !w.out {
		root.Confirm = nil // an opt-in's words don't answer an opt-out that its link brings along
	}
	if len(p.Links) == 0 {
		return nil
	}
	path := append(slices.Clone(w.path), from.P)
	for _, link := range p.Links {
		out, in := grown, []Mark(nil)
		if !w.out {
			out, in = nil, grown
		}
		if slices.Contains(fresh, link.P) {
			out, in = p.stops(), p.lifted()
		} else if slices.Contains(w.path, link.P) {
			continue
		}
		to := Travel{Root: root, To: w.ref(link.P), Path: path}
		if err := w.send(to, out, false); err != nil {
			return err
		}
		if err := w.send(to, in, true); err != nil {
			return err
		}
	}
	return nil
}

// send sends marks along one link.
func (w *word) send(to Travel, marks []Mark, in bool) error {
	for some := range slices.Chunk(marks, marksPerTravel) {
		to.Marks, to.In = some, in
		next, err := shard.NewCommand(w.nextID(), CommandTravel, w.command.Account, w.command.Made, to)
		if err != nil {
			return err
		}
		r, err := next.Record(w.turn.Shards.Of(to.To.P))
		if err != nil {
			return err
		}
		w.turn.Send(r)
	}
	return nil
}

// ref gives all that the root shows of whom a link leads to.
func (w *word) ref(p chat.Pseudonym) Ref {
	for _, ref := range w.root.Shown {
		if ref.P == p {
			return ref
		}
	}
	return Ref{P: p}
}
