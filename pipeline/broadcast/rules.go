package broadcast

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands about broadcasts. All go to the broadcast's own shard.
const (
	KindPage   = "broadcast.page"   // one page of its rows, before it exists
	KindCreate = "broadcast.create" // all pages are there: it begins to exist
	KindStatus = "broadcast.status" // it moves on to another status
	KindForget = "broadcast.forget" // its time is over: some pages go, and with the last ones itself; see archive.go
)

// Codes of answers that refuse.
const (
	CodeKeyReused   = "idempotency_key_reused" // the key belongs to another request
	CodeIncomplete  = "incomplete"             // pages are missing
	CodeNotFound    = "not_found"
	CodeWrongStatus = "wrong_status" // it can't become that from where it stands
)

type pageBody struct {
	ID      string   `json:"id"`
	Digest  string   `json:"digest"`
	Page    int      `json:"page"`
	Rows    []Row    `json:"rows"`
	Repeats []Repeat `json:"repeats,omitempty"`
}

type createBody struct {
	ID     string `json:"id"`
	Digest string `json:"digest"`
	Plan
}

type forgetBody struct {
	ID    string `json:"id"`
	Pages int    `json:"pages"` // that it has; a repeat finds fewer and does nothing
}

// forgetAtOnce bounds what one command loads and deletes.
const forgetAtOnce = 4

// Rules gives the folds of broadcasts. They see nothing but the broadcast and its pages.
func Rules() shard.Rules {
	return shard.Rules{
		KindPage: {
			Keys: keys(func(r Ref, b pageBody) []string { return []string{r.Key(), r.PageKey(b.Page)} }),
			Apply: func(t *shard.Turn, c shard.Command) error {
				return apply(c, func(r Ref, b pageBody) error { return foldPage(t, c, r, b) })
			},
		},
		KindCreate: {
			Keys: keys(func(r Ref, _ createBody) []string { return []string{r.Key()} }),
			Apply: func(t *shard.Turn, c shard.Command) error {
				return apply(c, func(r Ref, b createBody) error { return foldCreate(t, c, r, b) })
			},
		},
		KindStatus: {
			Keys: keys(func(r Ref, _ statusBody) []string { return []string{r.Key()} }),
			Apply: func(t *shard.Turn, c shard.Command) error {
				return apply(c, func(r Ref, b statusBody) error { return foldStatus(t, c, r, b) })
			},
		},
		KindFreeze: {
			Keys: keys(func(r Ref, b freezeBody) []string { return []string{r.Key(), r.PageKey(b.Page)} }),
			Apply: func(t *shard.Turn, c shard.Command) error {
				return apply(c, func(r Ref, b freezeBody) error { return foldFreeze(t, c, r, b) })
			},
		},
		KindFrozen: {
			Keys: keys(func(r Ref, _ frozenBody) []string { return []string{r.Key()} }),
			Apply: func(t *shard.Turn, c shard.Command) error {
				return apply(c, func(r Ref, b frozenBody) error { return foldFrozen(t, c, r, b) })
			},
		},
		KindArchive: {
			Keys: keys(func(r Ref, _ archiveBody) []string { return []string{r.Key()} }),
			Apply: func(t *shard.Turn, c shard.Command) error {
				return apply(c, func(r Ref, b archiveBody) error { return foldArchive(t, r, b) })
			},
		},
		KindForget: {
			Keys: keys(func(r Ref, b forgetBody) []string { return append(forgotten(r, b.Pages), r.Key()) }),
			Apply: func(t *shard.Turn, c shard.Command) error {
				return apply(c, func(r Ref, b forgetBody) error { return foldForget(t, r, b) })
			},
		},
	}
}

// foldPage keeps a page of a broadcast that doesn't exist yet. The first page to arrive settles to which request its id
// belongs; pages of another are passed, and its creation is refused.
func foldPage(t *shard.Turn, c shard.Command, r Ref, body pageBody) error {
	var b Broadcast
	there, err := t.Get(r.Key(), &b)
	if err != nil {
		return err
	}
	if !there {
		b = Broadcast{V: stream.Version, ID: r.ID, Account: r.Account, Status: Collecting, Digest: body.Digest, Created: c.Made}
	}
	if b.Status != Collecting || b.Digest != body.Digest || slices.Contains(b.Arrived, body.Page) {
		return nil
	}
	if err := t.Put(r.PageKey(body.Page), Page{V: stream.Version, Rows: body.Rows, Repeats: body.Repeats}); err != nil {
		return err
	}
	b.Arrived = append(b.Arrived, body.Page)
	return t.Put(r.Key(), b)
}

// foldCreate makes the broadcast exist. A repeat is answered as the first time.
func foldCreate(t *shard.Turn, c shard.Command, r Ref, body createBody) error {
	var b Broadcast
	there, err := t.Get(r.Key(), &b)
	if err != nil {
		return err
	}
	switch {
	case there && b.Digest != body.Digest:
		return t.Answer(c, shard.Answer{Code: CodeKeyReused, Msg: "This Idempotency-Key was used for another request."})
	case !there && body.own() > 0, there && b.Status == Collecting && len(b.Arrived) != body.own():
		return t.Answer(c, shard.Answer{Code: CodeIncomplete, Msg: "Not all recipients have arrived. Try again."})
	case !there:
		b = Broadcast{V: stream.Version, ID: r.ID, Account: r.Account, Status: Collecting, Digest: body.Digest}
		fallthrough
	case b.Status == Collecting:
		b.Status, b.Arrived, b.Created, b.Plan = Planned, nil, c.Made, body.Plan
		if err := t.Put(r.Key(), b); err != nil {
			return err
		}
	}
	return t.Answer(c, shard.Answer{OK: true, Value: b.Accepted(r.ID)})
}

// own gives how many pages came with the request: none where an audience or a segment gives the rows.
func (p Plan) own() int {
	if p.Source.Upload != "" || p.Source.Segment != nil {
		return 0
	}
	return len(p.Pages)
}

// foldForget lets go of the last pages, and at the end of the broadcast. It does so only for one that is over, or that
// never came to exist.
func foldForget(t *shard.Turn, r Ref, body forgetBody) error {
	var b Broadcast
	there, err := t.Get(r.Key(), &b)
	if err != nil || !there {
		return err
	}
	if b.Status != Collecting && !b.Status.Over() || body.Pages != b.pages() {
		return nil
	}
	going := forgotten(r, body.Pages)
	for _, key := range going {
		t.Delete(key)
	}
	if len(going) == body.Pages && (b.Archived == nil || body.Pages == 0) {
		t.Delete(r.Key())
		return nil
	}
	if b.Status == Collecting {
		b.Arrived = b.Arrived[:0]
		for n := range body.Pages - len(going) {
			b.Arrived = append(b.Arrived, n)
		}
	} else {
		b.Pages = b.Pages[:body.Pages-len(going)]
	}
	return t.Put(r.Key(), b)
}

// pages gives how many pages of its own there may be: of one that is being collected, up to the highest that arrived; none where
// an audience holds them.
func (b Broadcast) pages() int {
	if b.Source.Upload != "" {
		return 0
	}
	if b.Status != Collecting {
		return len(b.Pages)
	}
	if len(b.Arrived) == 0 {
		return 0
	}
	return slices.Max(b.Arrived) + 1
}

// forgotten names the pages that go next of so many.
func forgotten(r Ref, pages int) (keys []string) {
	for n := max(0, pages-forgetAtOnce); n < pages; n++ {
		keys = append(keys, r.PageKey(n))
	}
	return keys
}

// body is what a command of this package carries.
type body interface {
	target() string // the id of the broadcast that it is about
	fits() bool     // its numbers are ones that a broadcast may have
}

func (b pageBody) target() string   { return b.ID }
func (b createBody) target() string { return b.ID }
func (b forgetBody) target() string { return b.ID }

func (b pageBody) fits() bool   { return b.Page >= 0 && b.Page < MaxRecipients }
func (b createBody) fits() bool { return b.Outcomes >= 0 }
func (b forgetBody) fits() bool { return b.Pages >= 0 && b.Pages <= MaxRecipients }

func keys[B body](of func(Ref, B) []string) func(shard.Place, shard.Command) ([]string, error) {
	return func(p shard.Place, c shard.Command) (found []string, err error) {
		err = apply(c, func(r Ref, b B) error {
			if r.Shard(p.Shards) != p.Shard {
				return errors.New("the broadcast belongs to another shard")
			}
			found = of(r, b)
			return nil
		})
		return found, err
	}
}

// apply reads a command's body and names its broadcast.
func apply[B body](c shard.Command, do func(Ref, B) error) error {
	var b B
	if err := json.Unmarshal(c.Body, &b); err != nil {
		return fmt.Errorf("body of %s: %w", c.Kind, err)
	}
	id := b.target()
	if c.Account == "" || id == "" || strings.Contains(c.Account+id, "/") {
		return errors.New("command names no broadcast")
	}
	if !b.fits() {
		return fmt.Errorf("body of %s: no broadcast has that", c.Kind)
	}
	return do(Ref{c.Account, id}, b)
}

func command(r Ref, id, kind string, made int64, body any) (shard.Command, error) {
	return shard.NewCommand(id, kind, r.Account, made, body)
}
