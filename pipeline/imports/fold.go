package imports

import (
	"errors"

	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands that this package folds besides optout.CommandCount. All go to the import's shard.
const (
	CommandBegin    = "import.begin"
	CommandProgress = "import.progress"
	CommandRefused  = "import.refused"
	CommandEnd      = "import.end"
	CommandFail     = "import.fail"
	CommandSilent   = "import.silent"
	CommandForget   = "import.forget"
)

// Rules gives the folds of imports.
func Rules() shard.Rules {
	return shard.Rules{
		CommandBegin:        {Keys: beginKeys, Apply: applyBegin},
		CommandProgress:     {Keys: sayKeys, Apply: applyProgress},
		CommandRefused:      {Keys: refusedKeys, Apply: applyRefused},
		optout.CommandCount: {Keys: countKeys, Apply: applyCount},
		CommandEnd:          {Keys: sayKeys, Apply: applyEnd},
		CommandFail:         {Keys: sayKeys, Apply: applyFail},
		CommandSilent:       {Keys: sayKeys, Apply: applySilent},
		CommandForget:       {Keys: forgetKeys, Apply: applyForget},
	}
}

// begin is the body of an import.begin: somebody reads the file, for the first time or once more. The answer's value is the
// Import; not OK where its id was given to an import of other terms.
type begin struct {
	Import  string   `json:"import"`
	Terms   Terms    `json:"terms"`
	Token   string   `json:"token,omitempty"`
	Ignored []string `json:"ignored,omitempty"`
}

// say is the body of what whoever reads the file says of it. The attempt is the id of its import.begin.
type say struct {
	Import  string `json:"import"`
	Attempt string `json:"attempt,omitempty"`
	Line    int    `json:"line,omitempty"`  // to which the file was read
	Code    string `json:"code,omitempty"`  // of a fail
	Parts   int    `json:"parts,omitempty"` // of an end: all there are
	Pages   int    `json:"pages,omitempty"` // of an end: all of refused rows
	Answer  bool   `json:"answer,omitempty"`
}

// refused is the body of an import.refused: a page of refused rows. A page that is there stays.
type refused struct {
	Import string `json:"import"`
	Number int    `json:"number"`
	Page   Page   `json:"page"`
}

// refOf names the import of a command in its own shard.
func refOf(p shard.Place, c shard.Command, id string) (Ref, error) {
	r := Ref{c.Account, id}
	if c.Account == "" || id == "" || r.Shard(p.Shards) != p.Shard {
		return r, errors.New("an import's command in a shard that isn't its own")
	}
	return r, nil
}

func beginKeys(p shard.Place, c shard.Command) ([]string, error) {
	b, err := shard.Body[begin](c)
	if err != nil {
		return nil, err
	}
	r, err := refOf(p, c, b.Import)
	return []string{r.Key(), shard.AnswerKey(c.ID)}, err
}

func applyBegin(t *shard.Turn, c shard.Command) error {
	b, err := shard.Body[begin](c)
	if err != nil {
		return err
	}
	r, err := refOf(t.Place, c, b.Import)
	if err != nil {
		return err
	}
	var i Import
	known, err := t.Get(r.Key(), &i)
	switch {
	case err != nil:
		return err
	case !known:
		i = Import{
			V: stream.Version, ID: b.Import, Account: c.Account, Terms: b.Terms, Token: b.Token, Ignored: b.Ignored,
			Made: c.Made, Status: Running,
		}
	case i.Terms != b.Terms || i.Code == CodeMixed:
		return t.Answer(c, shard.Answer{Code: CodeKeyReused, Msg: keyReused})
	case i.Status == Failed:
		i.Status, i.Code, i.Ended, i.Line = Running, "", 0, 0
	}
	i.Attempt, i.Heard = c.ID, max(i.Heard, c.Made)
	if err := t.Put(r.Key(), i); err != nil {
		return err
	}
	return t.Answer(c, shard.Answer{OK: true, Value: i})
}

// keyReused is what is said of a key that belongs to another import.
const keyReused = "This Idempotency-Key was used for another import: of another file, list, channel, country or feed."

func sayKeys(p shard.Place, c shard.Command) ([]string, error) {
	s, err := shard.Body[say](c)
	if err != nil {
		return nil, err
	}
	r, err := refOf(p, c, s.Import)
	keys := []string{r.Key()}
	if s.Answer {
		keys = append(keys, shard.AnswerKey(c.ID))
	}
	return keys, err
}

// change folds what changes the import alone. One that was forgotten stays so.
func change(t *shard.Turn, c shard.Command, with func(i *Import, s *say)) error {
	s, err := shard.Body[say](c)
	if err != nil {
		return err
	}
	key := Ref{c.Account, s.Import}.Key()
	var i Import
	known, err := t.Get(key, &i)
	if err != nil {
		return err
	}
	if known {
		with(&i, s)
		if err := t.Put(key, i); err != nil {
			return err
		}
	}
	if s.Answer {
		return t.Answer(c, shard.Answer{OK: known, Code: "not_found", Msg: "There is no such import any more.", Value: i})
	}
	return nil
}

func applyProgress(t *shard.Turn, c shard.Command) error {
	return change(t, c, func(i *Import, s *say) {
		i.revive()
		i.Line, i.Heard = max(i.Line, s.Line), max(i.Heard, c.Made)
	})
}

// applyEnd ends an import. Whoever tells the end has seen that every part was decided, and what became of each stands before it
// in the log: what is missing will never come.
func applyEnd(t *shard.Turn, c shard.Command) error {
	return change(t, c, func(i *Import, s *say) {
		if i.revive(); i.Status != Running { // another reader of the same file was faster
			return
		}
		i.Parts, i.AllPages = s.Parts, s.Pages
		i.Line, i.Heard = max(i.Line, s.Line), max(i.Heard, c.Made)
		if i.Counted < i.Parts || i.Pages < i.AllPages {
			i.fail(CodeIncomplete, c.Made)
			return
		}
		i.Status, i.Ended = Finished, c.Made
	})
}

func applyFail(t *shard.Turn, c shard.Command) error {
	return change(t, c, func(i *Import, s *say) {
		if i.Status == Running && i.Attempt == s.Attempt {
			i.Line = max(i.Line, s.Line)
			i.fail(s.Code, c.Made)
		}
	})
}

// applySilent breaks an import off of which nothing was heard.
func applySilent(t *shard.Turn, c shard.Command) error {
	return change(t, c, func(i *Import, _ *say) {
		if i.Status == Running && c.Made-i.Heard >= Silence.Milliseconds() {
			i.fail(CodeBrokenOff, c.Made)
		}
	})
}

// revive lets an import run on that counts as broken off, since somebody reads its file.
func (i *Import) revive() {
	if i.Status == Failed && i.Code == CodeBrokenOff {
		i.Status, i.Code, i.Ended = Running, "", 0
	}
}

func (i *Import) fail(code string, now int64) { i.Status, i.Code, i.Ended = Failed, code, now }

func refusedKeys(p shard.Place, c shard.Command) ([]string, error) {
	f, err := shard.Body[refused](c)
	if err != nil {
		return nil, err
	}
	r, err := refOf(p, c, f.Import)
	return []string{r.Key(), r.PageKey(f.Number)}, err
}

// applyRefused keeps a page. Pages come in their order, so that their number tells which are there.
func applyRefused(t *shard.Turn, c shard.Command) error {
	f, err := shard.Body[refused](c)
	if err != nil {
		return err
	}
	r := Ref{c.Account, f.Import}
	var i Import
	known, err := t.Get(r.Key(), &i)
	if err != nil || !known || f.Number != i.Pages {
		return err
	}
	i.Pages, i.Refused, i.Heard = i.Pages+1, i.Refused+len(f.Page.Rows), max(i.Heard, c.Made)
	if err := t.Put(r.PageKey(f.Number), f.Page); err != nil {
		return err
	}
	return t.Put(r.Key(), i)
}

func countKeys(p shard.Place, c shard.Command) ([]string, error) {
	n, err := shard.Body[optout.Counted](c)
	if err != nil {
		return nil, err
	}
	if n.Part < 0 {
		return nil, errors.New("a part below 0")
	}
	r, err := refOf(p, c, n.Import)
	return []string{r.Key(), r.PartsKey(n.Part / partsPerPage)}, err
}

// applyCount adds what became of a part, once.
func applyCount(t *shard.Turn, c shard.Command) error {
	n, err := shard.Body[optout.Counted](c)
	if err != nil {
		return err
	}
	r := Ref{c.Account, n.Import}
	var i Import
	known, err := t.Get(r.Key(), &i)
	if err != nil || !known {
		return err
	}
	page := parts{V: stream.Version, Told: map[int]told{}}
	if _, err := t.Get(r.PartsKey(n.Part/partsPerPage), &page); err != nil {
		return err
	}
	before, again := page.Told[n.Part%partsPerPage]
	switch {
	case again && before.Digest == n.Digest:
		return nil
	case again:
		i.fail(CodeMixed, c.Made)
		return t.Put(r.Key(), i)
	}
	page.Told[n.Part%partsPerPage] = told{n.Digest, n.Offset}
	i.Added, i.Known, i.Stayed = i.Added+n.Added, i.Known+n.Known, i.Stayed+n.Stayed
	i.Counted, i.High, i.Heard = i.Counted+1, max(i.High, n.Part+1), max(i.Heard, c.Made)
	if err := t.Put(r.PartsKey(n.Part/partsPerPage), page); err != nil {
		return err
	}
	return t.Put(r.Key(), i)
}
