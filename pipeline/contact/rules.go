package contact

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands. Each is folded in the shard that all its contacts live in.
const (
	CommandEdit   = "contact.edit"
	CommandDelete = "contact.delete"
)

// Codes of what a fold refuses.
const (
	CodeUnknown = "unknown_contact"
	CodeStale   = "stale"
	CodeTooMany = "contact_full"
)

// Rules gives the folds of contacts.
func Rules() shard.Rules {
	return shard.Rules{
		CommandEdit:   {Keys: editKeys, Apply: applyEdit},
		CommandDelete: {Keys: deleteKeys, Apply: applyDelete},
	}
}

// Edit is the body of a contact.edit: contacts of one shard are made or changed. A repeat of the command does nothing. The
// answer's value is an EditAnswer.
type Edit struct {
	Edits []One `json:"edits"`
	Show  bool  `json:"show,omitempty"` // the answer shows each contact as it is afterwards
}

// One changes one contact.
type One struct {
	Who    optout.Ref `json:"who"`          // its own identifier
	There  bool       `json:"there"`        // it has to be there; else one that isn't is made
	If     []string   `json:"if,omitempty"` // tags, one of which the contact must have; none: whatever it is
	Fields Fields     `json:"fields"`
}

// EditAnswer says of each contact, in their order, what became of it.
type EditAnswer struct {
	Results []Result `json:"results"`
}

// Result is what became of one contact.
type Result struct {
	Code    string   `json:"code,omitempty"` // why nothing was changed; "" where it is as wanted
	Msg     string   `json:"msg,omitempty"`
	Created bool     `json:"created,omitempty"`
	Contact *Contact `json:"contact,omitempty"` // where it was to be shown
}

// Record gives the command for the shard that all its contacts live in.
func (e Edit) Record(n chat.Shards, id, account string, made int64) (*stream.Record, error) {
	if err := e.check(account); err != nil {
		return nil, err
	}
	c, err := shard.NewCommand(id, CommandEdit, account, made, e)
	if err != nil {
		return nil, err
	}
	return c.Record(n.Of(e.Edits[0].Who.P))
}

func (e *Edit) check(account string) error {
	if len(e.Edits) == 0 || account == "" {
		return errors.New("an edit of no contact")
	}
	for i := range e.Edits {
		if who := e.Edits[i].Who; who.ID == "" || who.P < 0 {
			return errors.New("a contact without an identifier")
		}
		if wrong := e.Edits[i].Fields.Wrong(); len(wrong) > 0 {
			return fmt.Errorf("a contact with a wrong %s", wrong[0].Field)
		}
	}
	return nil
}

func readEdit(c shard.Command) (*Edit, error) {
	edit, err := shard.Body[Edit](c)
	if err != nil {
		return nil, err
	}
	return edit, edit.check(c.Account)
}

func editKeys(p shard.Place, c shard.Command) ([]string, error) {
	edit, err := readEdit(c)
	if err != nil {
		return nil, err
	}
	keys := []string{shard.AnswerKey(c.ID)}
	for i := range edit.Edits {
		who := edit.Edits[i].Who.P
		if p.Shards.Of(who) != p.Shard {
			return nil, errors.New("a contact that lives in another shard")
		}
		keys = append(keys, Key(c.Account, who))
	}
	return keys, nil
}

func applyEdit(t *shard.Turn, c shard.Command) error {
	edit, err := readEdit(c)
	if err != nil {
		return err
	}
	if again, err := t.Get(shard.AnswerKey(c.ID), &shard.Answer{}); again || err != nil {
		return err // else a repeat would undo what came in between
	}
	answer := EditAnswer{Results: make([]Result, len(edit.Edits))}
	for i := range edit.Edits {
		result, err := edit.Edits[i].fold(t, c, edit.Show)
		if err != nil {
			return err
		}
		answer.Results[i] = result
	}
	return t.Answer(c, shard.Answer{OK: true, Value: answer})
}

func (o *One) fold(t *shard.Turn, c shard.Command, show bool) (result Result, err error) {
	key := Key(c.Account, o.Who.P)
	var before Contact
	known, err := t.Get(key, &before)
	switch {
	case err != nil:
		return result, err
	case !known && (o.There || len(o.If) > 0):
		return Result{Code: CodeUnknown, Msg: "There is no such contact."}, nil
	case len(o.If) > 0 && !slices.Contains(o.If, before.Tag()):
		return Result{Code: CodeStale, Msg: "The contact was changed meanwhile: read it again, and send its new ETag as If-Match."}, nil
	case !known:
		before = Contact{V: stream.Version, Who: []optout.Ref{o.Who}, Created: c.Made}
	}
	after, over := o.Fields.apply(before)
	if over != "" {
		return Result{Code: CodeTooMany, Msg: "A contact has at most " + over + "."}, nil
	}
	result.Created = !known
	if !known || !reflect.DeepEqual(before, after) {
		after.Updated = max(c.Made, before.Updated)
		if err := t.Put(key, after); err != nil {
			return result, err
		}
	}
	if show {
		result.Contact = &after
	}
	return result, nil
}

// Delete is the body of a contact.delete. Opt-outs, blocks and the ledger are no part of a contact and stay.
type Delete struct {
	Who chat.Pseudonym `json:"who"`
	If  []string       `json:"if,omitempty"`
}

func deleteKeys(p shard.Place, c shard.Command) ([]string, error) {
	body, err := shard.Body[Delete](c)
	if err != nil {
		return nil, err
	}
	if c.Account == "" || body.Who < 0 || p.Shards.Of(body.Who) != p.Shard {
		return nil, errors.New("a contact that lives in another shard")
	}
	return []string{Key(c.Account, body.Who), shard.AnswerKey(c.ID)}, nil
}

func applyDelete(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[Delete](c)
	if err != nil {
		return err
	}
	if again, err := t.Get(shard.AnswerKey(c.ID), &shard.Answer{}); again || err != nil {
		return err
	}
	var there Contact
	known, err := t.Get(Key(c.Account, body.Who), &there)
	switch {
	case err != nil:
		return err
	case !known:
		return t.Answer(c, shard.Answer{Code: CodeUnknown, Msg: "There is no such contact."})
	case len(body.If) > 0 && !slices.Contains(body.If, there.Tag()):
		return t.Answer(c, shard.Answer{Code: CodeStale, Msg: "The contact was changed meanwhile: read it again, and send its new ETag as If-Match."})
	}
	t.Delete(Key(c.Account, body.Who))
	return t.Answer(c, shard.Answer{OK: true})
}
