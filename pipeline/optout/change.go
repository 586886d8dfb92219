package optout

import (
	"errors"
	"slices"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands that this package folds.
const (
	CommandDeclare = "account.declare"
	CommandChange  = "consent.change"
	CommandLink    = "consent.link"
	CommandTravel  = "consent.travel"
	CommandEdit    = "consent.edit"
)

// Sources of changes, as entries and ledger rows name them.
const (
	SourceMessage = "message" // a person's words or press of a button
	SourceSalvage = "salvage" // a message that could not be decoded
	SourceMeta    = "meta"    // Meta's own switch, or its error 131050
	SourceAPI     = "api"
	SourceImport  = "import"
	SourceLink    = "link"    // an unsubscribe link
	SourceWebhook = "webhook" // of links: what a webhook showed together
)

// Rules gives the folds of consent and accounts.
func Rules() shard.Rules {
	return shard.Join(listRules(), shard.Rules{
		CommandDeclare:   {Keys: declareKeys, Apply: applyDeclare},
		CommandChange:    {Keys: changeKeys, Apply: applyChange},
		CommandLink:      {Keys: linkKeys, Apply: applyLink},
		CommandTravel:    {Keys: travelKeys, Apply: applyTravel},
		CommandEdit:      {Keys: editKeys, Apply: applyEdit},
		CommandOnce:      {Keys: onceKeys, Apply: applyOnce},
		CommandBlocks:    {Keys: blocksKeys, Apply: applyBlocks},
		CommandNear:      {Keys: nearKeys, Apply: applyNear},
		CommandListEmpty: {Keys: emptyKeys, Apply: applyEmpty},
	})
}

// Change is the body of a consent.change: somebody opts out of lists, or in.
type Change struct {
	Who     []Ref    `json:"who"`               // all that the message shows, in the order phone, BSUID, parent; only these are lifted by an opt-in
	Out     bool     `json:"out"`               // else in
	Marks   []Mark   `json:"marks"`             // in the order in which their texts are sent
	Linked  bool     `json:"linked,omitempty"`  // the identifiers are one person's
	Confirm *Confirm `json:"confirm,omitempty"` // nil: nothing is sent, whatever changes
	Answer  bool     `json:"answer,omitempty"`  // somebody waits for the shard's answer
}

// Confirm says what is sent to a person who typed, once something has changed by it.
type Confirm struct {
	Channel string `json:"channel"`
	Given   string `json:"given"` // the first identifier as chat.Outbound's Given has it
	Texts   []Text `json:"texts"` // of lists that have one, in the order of the marks
}

// Text is what one list says to who opted out of it, or in.
type Text struct {
	List string `json:"list"`
	Body string `json:"body"`
}

// Records gives the command for each shard that the change concerns.
func (c Change) Records(n chat.Shards, id, account string, made int64) ([]*stream.Record, error) {
	return records(n, CommandChange, id, account, made, c, c.Who)
}

func (c *Change) check() error {
	if err := checkRefs(c.Who); err != nil {
		return err
	}
	if len(c.Marks) == 0 {
		return errors.New("a change without marks")
	}
	return checkMarks(c.Marks)
}

func checkRefs(who []Ref) error {
	if len(who) == 0 {
		return errors.New("nobody is named")
	}
	for _, ref := range who {
		if ref.P < 0 {
			return errors.New("a pseudonym below 0")
		}
	}
	return nil
}

func checkMarks(marks []Mark) error {
	for _, m := range marks {
		if m.List == "" || m.Channel == "" || m.At <= 0 {
			return errors.New("a mark without list, channel or time")
		}
	}
	return nil
}

// readChange reads a consent.change.
func readChange(c shard.Command) (*Change, error) {
	change, err := shard.Body[Change](c)
	if err != nil {
		return nil, err
	}
	return change, change.check()
}

func changeKeys(p shard.Place, c shard.Command) ([]string, error) {
	change, err := readChange(c)
	if err != nil {
		return nil, err
	}
	keys := personKeys(p, c.Account, change.Who)
	if change.Answer {
		keys = append(keys, shard.AnswerKey(c.ID))
	}
	return keys, nil
}

func applyChange(t *shard.Turn, c shard.Command) error {
	change, err := readChange(c)
	if err != nil {
		return err
	}
	w := word{
		turn: t, command: c, out: change.Out, marks: change.Marks,
		root: Root{ID: c.ID, Shown: change.Who, Confirm: change.Confirm},
	}
	if change.Linked {
		w.linked, w.linkedAt, w.linkedBy = change.Who, change.Marks[0].At, change.Marks[0].Source
	}
	for _, ref := range distinct(change.Who) {
		if err := w.fold(ref); err != nil {
			return err
		}
	}
	if err := w.post(); err != nil {
		return err
	}
	if change.Answer {
		return t.Answer(c, shard.Answer{OK: true})
	}
	return nil
}

// records writes a command for each shard of those named.
func records(n chat.Shards, kind, id, account string, made int64, body any, who []Ref) ([]*stream.Record, error) {
	command, err := shard.NewCommand(id, kind, account, made, body)
	if err != nil {
		return nil, err
	}
	all := make([]*stream.Record, 0, len(who))
	for _, ref := range who {
		at := n.Of(ref.P)
		if slices.ContainsFunc(all, func(r *stream.Record) bool { return r.Partition == at }) {
			continue
		}
		r, err := command.Record(at)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// personKeys names the states of those who live in this shard.
func personKeys(p shard.Place, account string, who []Ref) []string {
	keys := make([]string, 0, len(who)+1)
	for _, ref := range who {
		if p.Shards.Of(ref.P) == p.Shard {
			keys = append(keys, PersonKey(account, ref.P))
		}
	}
	return keys
}

// distinct gives each person named once.
func distinct(who []Ref) []Ref {
	once := make([]Ref, 0, len(who))
	for _, ref := range who {
		if !named(once, ref.P) {
			once = append(once, ref)
		}
	}
	return once
}

// named says whether a person is among those named.
func named(who []Ref, p chat.Pseudonym) bool {
	return slices.ContainsFunc(who, func(ref Ref) bool { return ref.P == p })
}
