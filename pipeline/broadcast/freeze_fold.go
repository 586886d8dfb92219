package broadcast

import (
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands by which the people of a segment become a broadcast's rows. Both go to the broadcast's own shard.
const (
	KindFreeze = "broadcast.freeze" // the next page of an attempt
	KindFrozen = "broadcast.frozen" // all pages of it are there: the broadcast begins
)

// Frozen is what has arrived of an attempt. A later attempt begins anew, in the same pages.
type Frozen struct {
	Attempt string `json:"attempt,omitempty"`
	Pages   []int  `json:"pages,omitempty"` // number of rows in each
	Most    int    `json:"most,omitempty"`  // pages that any attempt has left
}

type freezeBody struct {
	ID      string `json:"id"`
	Attempt string `json:"attempt"` // by chance
	Page    int    `json:"page"`
	Rows    []Row  `json:"rows"`
}

type frozenBody struct {
	ID         string `json:"id"`
	Attempt    string `json:"attempt"`
	Pages      int    `json:"pages"`
	Duplicates int    `json:"duplicates"` // people that the segment named again
	Outcomes   int64  `json:"outcomes"`   // offset in its partition of outcomes before any fact about it
}

func (b freezeBody) target() string { return b.ID }
func (b frozenBody) target() string { return b.ID }

func (b freezeBody) fits() bool { return b.Attempt != "" && b.Page >= 0 && b.Page < MaxUpload }
func (b frozenBody) fits() bool {
	return b.Attempt != "" && b.Pages >= 0 && b.Pages <= MaxUpload && b.Outcomes >= 0
}

// freezing says that a segment's people are still wanted.
func (b Broadcast) freezing() bool {
	return b.Status == Planned && b.Source.Segment != nil && b.Started == 0
}

// foldFreeze keeps the next page of an attempt. The attempt whose first page came last is the one that counts: what comes of
// another one is passed, and whoever made it sees that the broadcast has not begun.
func foldFreeze(t *shard.Turn, _ shard.Command, r Ref, body freezeBody) error {
	var b Broadcast
	there, err := t.Get(r.Key(), &b)
	if err != nil || !there || !b.freezing() {
		return err
	}
	if body.Page == 0 && b.Frozen.Attempt != body.Attempt {
		b.Frozen = Frozen{Attempt: body.Attempt, Most: b.Frozen.Most}
	}
	if b.Frozen.Attempt != body.Attempt || body.Page != len(b.Frozen.Pages) {
		return nil
	}
	if err := t.Put(r.PageKey(body.Page), Page{V: stream.Version, Rows: body.Rows}); err != nil {
		return err
	}
	b.Frozen.Pages = append(b.Frozen.Pages, len(body.Rows))
	b.Frozen.Most = max(b.Frozen.Most, len(b.Frozen.Pages))
	return t.Put(r.Key(), b)
}

// foldFrozen makes an attempt's pages the broadcast's, which begins. Pages that an earlier, longer attempt has left count as
// empty ones, so that they are forgotten with it.
func foldFrozen(t *shard.Turn, c shard.Command, r Ref, body frozenBody) error {
	var b Broadcast
	there, err := t.Get(r.Key(), &b)
	if err != nil || !there || !b.freezing() {
		return err
	}
	if body.Pages > 0 && (b.Frozen.Attempt != body.Attempt || len(b.Frozen.Pages) != body.Pages) {
		return nil
	}
	pages := make([]int, b.Frozen.Most)
	if body.Pages > 0 {
		copy(pages, b.Frozen.Pages)
	}
	b.Pages, b.Audience, b.Duplicates, b.Frozen = pages, 0, body.Duplicates, Frozen{}
	b.Outcomes = max(b.Outcomes, body.Outcomes)
	for _, rows := range pages {
		b.Audience += rows
	}
	if err := b.move(t, c, Running, statusBody{}); err != nil {
		return err
	}
	return t.Put(r.Key(), b)
}
