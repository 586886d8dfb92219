package segment

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/text/cases"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands. All are folded in the shard of their account, and answer with the Segment.
const (
	CommandCreate = "segment.create"
	CommandChange = "segment.change"
	CommandDelete = "segment.delete"
)

// Codes of what a fold refuses.
const (
	CodeUnknown   = "unknown_segment"
	CodeStale     = "stale"
	CodeNameTaken = "name_taken"
	CodeTooMany   = "too_many_segments"
	CodeInvalid   = "invalid_segment"
)

// Rules gives the folds of segments.
func Rules() shard.Rules {
	return shard.Rules{
		CommandCreate: {Keys: keysOf, Apply: applyCreate},
		CommandChange: {Keys: keysOf, Apply: applyChange},
		CommandDelete: {Keys: keysOf, Apply: applyDelete},
	}
}

// Create is the body of a segment.create.
type Create struct {
	ID     string `json:"id"`
	Fields Fields `json:"fields"`
}

// Change is the body of a segment.change.
type Change struct {
	ID     string   `json:"id"`
	If     []string `json:"if,omitempty"` // tags, one of which the segment must have; none: whatever it is
	Fields Fields   `json:"fields"`
}

// Delete is the body of a segment.delete.
type Delete struct {
	ID string   `json:"id"`
	If []string `json:"if,omitempty"`
}

func keysOf(p shard.Place, c shard.Command) ([]string, error) {
	if c.Account == "" || p.Shards.Account(c.Account) != p.Shard {
		return nil, errors.New("segments are changed in their account's shard")
	}
	return []string{SegmentsKey(c.Account), shard.AnswerKey(c.ID)}, nil
}

// turn is the fold of one command.
type turn struct {
	*shard.Turn
	command shard.Command
	all     Segments
	again   bool // the command was answered before: it decides nothing
}

func begin(t *shard.Turn, c shard.Command) (*turn, error) {
	w := &turn{Turn: t, command: c}
	var err error
	if w.again, err = t.Get(shard.AnswerKey(c.ID), &shard.Answer{}); err != nil {
		return nil, err
	}
	_, err = t.Get(SegmentsKey(c.Account), &w.all)
	return w, err
}

// keep decides the account's segments, and answers with one.
func (w *turn) keep(s Segment) error {
	w.all.V = stream.Version
	if err := w.Put(SegmentsKey(w.command.Account), w.all); err != nil {
		return err
	}
	return w.Answer(w.command, shard.Answer{OK: true, Value: s})
}

func (w *turn) refuse(code, format string, args ...any) error {
	return w.Answer(w.command, shard.Answer{Code: code, Msg: fmt.Sprintf(format, args...)})
}

// taken says that another segment has a name; capital and small letters count alike.
func (w *turn) taken(s Segment) bool {
	fold := cases.Fold()
	return slices.ContainsFunc(w.all.Segments, func(one Segment) bool {
		return one.ID != s.ID && fold.String(one.Name) == fold.String(s.Name)
	})
}

const nameTaken = "Another segment has this name; capital and small letters count alike."

func applyCreate(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[Create](c)
	if err != nil {
		return err
	}
	if body.ID == "" {
		return errors.New("a segment without an id")
	}
	w, err := begin(t, c)
	if err != nil || w.again {
		return err
	}
	s := body.Fields.Apply(Segment{V: stream.Version, ID: body.ID, Account: c.Account, Revision: 1, Created: c.Made, Updated: c.Made})
	switch wrong := s.Wrong(); {
	case len(wrong) > 0:
		return w.refuse(CodeInvalid, "The field %s %s.", wrong[0].Field, wrong[0].Detail)
	case w.all.Find(s.ID) >= 0 || w.taken(s):
		return w.refuse(CodeNameTaken, nameTaken)
	case len(w.all.Segments) >= MaxSegments:
		return w.refuse(CodeTooMany, "An account has at most %d segments. Delete one that is not needed.", MaxSegments)
	}
	w.all.Segments = append(w.all.Segments, s)
	return w.keep(s)
}

func applyChange(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[Change](c)
	if err != nil {
		return err
	}
	w, err := begin(t, c)
	if err != nil || w.again {
		return err
	}
	at, err := w.find(body.ID, body.If)
	if err != nil || at < 0 {
		return err
	}
	before := w.all.Segments[at]
	s := body.Fields.Apply(before)
	switch wrong := s.Wrong(); {
	case len(wrong) > 0:
		return w.refuse(CodeInvalid, "The field %s %s.", wrong[0].Field, wrong[0].Detail)
	case w.taken(s):
		return w.refuse(CodeNameTaken, nameTaken)
	case s.Name == before.Name && s.Match == before.Match && slices.EqualFunc(s.Conditions, before.Conditions, Condition.equal):
		return w.Answer(c, shard.Answer{OK: true, Value: before})
	}
	s.Revision, s.Updated = s.Revision+1, max(c.Made, s.Updated)
	w.all.Segments[at] = s
	return w.keep(s)
}

func applyDelete(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[Delete](c)
	if err != nil {
		return err
	}
	w, err := begin(t, c)
	if err != nil || w.again {
		return err
	}
	at, err := w.find(body.ID, body.If)
	if err != nil || at < 0 {
		return err
	}
	gone := w.all.Segments[at]
	w.all.Segments = slices.Delete(w.all.Segments, at, at+1)
	return w.keep(gone)
}

// find gives the place of the segment that a command is about; below 0 where it is refused, and answered.
func (w *turn) find(id string, tags []string) (int, error) {
	at := w.all.Find(id)
	switch {
	case at < 0:
		return at, w.refuse(CodeUnknown, "There is no segment with this id.")
	case len(tags) > 0 && !slices.Contains(tags, w.all.Segments[at].Tag()):
		return -1, w.refuse(CodeStale, "The segment was changed meanwhile: read it again, and send its new ETag as If-Match.")
	}
	return at, nil
}

// equal says that two conditions are the same.
func (c Condition) equal(other Condition) bool {
	if c.Attribute != nil && other.Attribute != nil && *c.Attribute == *other.Attribute {
		c.Attribute, other.Attribute = nil, nil
	}
	return c == other
}
