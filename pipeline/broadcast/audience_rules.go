package broadcast

import (
	"fmt"
	"slices"

	"optgate/pipeline/csvfile"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands about audiences. All go to the audience's own shard.
const (
	KindAudiencePage    = "audience.page"    // the next page of its rows, before it exists
	KindAudienceClose   = "audience.close"   // all pages are there: it begins to exist
	KindAudienceUse     = "audience.use"     // a broadcast needs it
	KindAudienceRelease = "audience.release" // a broadcast needs it no longer
	KindAudienceDelete  = "audience.delete"  // somebody wants it gone
	KindAudienceForget  = "audience.forget"  // its time is over: some pages go, and with the last ones itself
)

// Codes of answers that refuse, besides CodeKeyReused and CodeIncomplete.
const (
	CodeNoAudience    = "unknown_audience"
	CodeAudienceInUse = "audience_in_use" // a broadcast needs it, or too many do
)

type audiencePage struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Number  int    `json:"page"`
	Before  string `json:"before"` // digest of the pages before it
	Digest  string `json:"digest"` // with it
	Page    Page   `json:"content"`
}

type audienceClose struct {
	ID         string            `json:"id"`
	Digest     string            `json:"digest"`
	Pages      int               `json:"pages"`
	Rows       int               `json:"rows"`
	Duplicates int               `json:"duplicates"`
	Invalid    int               `json:"invalid"`
	Refused    int               `json:"refused"`
	Columns    []string          `json:"columns"`
	First      []csvfile.Refusal `json:"first,omitempty"`
}

type audienceUse struct {
	ID        string `json:"id"`
	Broadcast string `json:"broadcast"`
}

type audienceForget struct {
	ID    string `json:"id"`
	Pages int    `json:"pages"` // that it has; a repeat finds fewer and does nothing

	Digest string `json:"digest,omitempty"` // of one that arrives: nobody sends the rest
}

func (b audiencePage) target() string   { return b.ID }
func (b audienceClose) target() string  { return b.ID }
func (b audienceUse) target() string    { return b.ID }
func (b audienceForget) target() string { return b.ID }

func (b audiencePage) fits() bool   { return b.Number >= 0 && b.Number < MaxUpload }
func (b audienceClose) fits() bool  { return b.Pages > 0 && b.Rows <= MaxUpload }
func (b audienceUse) fits() bool    { return b.Broadcast != "" }
func (b audienceForget) fits() bool { return b.Pages >= 0 && b.Pages < MaxUpload }

// AudienceRules gives the folds of audiences. They see nothing but the audience and its pages.
func AudienceRules() shard.Rules {
	return shard.Rules{
		KindAudiencePage: {
			Keys:  keys(func(r Ref, b audiencePage) []string { return []string{r.AudienceKey(), r.PageKey(b.Number)} }),
			Apply: onAudience(foldAudiencePage),
		},
		KindAudienceClose:   {Keys: audienceOnly[audienceClose](), Apply: onAudience(foldAudienceClose)},
		KindAudienceUse:     {Keys: audienceOnly[audienceUse](), Apply: onAudience(foldAudienceUse)},
		KindAudienceRelease: {Keys: audienceOnly[audienceUse](), Apply: onAudience(foldAudienceRelease)},
		KindAudienceDelete:  {Keys: audienceOnly[audienceForget](), Apply: onAudience(foldAudienceDelete)},
		KindAudienceForget: {
			Keys:  keys(func(r Ref, b audienceForget) []string { return append(forgotten(r, b.Pages), r.AudienceKey()) }),
			Apply: onAudience(foldAudienceForget),
		},
	}
}

func audienceOnly[B body]() func(shard.Place, shard.Command) ([]string, error) {
	return keys(func(r Ref, _ B) []string { return []string{r.AudienceKey()} })
}

// audience is what a fold finds, and where it stands.
type audience struct {
	*shard.Turn
	Audience

	ref   Ref
	made  int64
	there bool
}

func onAudience[B body](fold func(a *audience, c shard.Command, b B) error) func(*shard.Turn, shard.Command) error {
	return func(t *shard.Turn, c shard.Command) error {
		return apply(c, func(r Ref, b B) (err error) {
			a := &audience{Turn: t, ref: r, made: c.Made}
			if a.there, err = t.Get(r.AudienceKey(), &a.Audience); err != nil {
				return err
			}
			return fold(a, c, b)
		})
	}
}

func (a *audience) put() error { return a.Put(a.ref.AudienceKey(), a.Audience) }

// foldAudiencePage keeps the next page. A page that is there is passed, and so is one that follows other pages than those that
// are: then two files are sent under one key, and the one whose page came first is the one that can be closed.
func foldAudiencePage(a *audience, _ shard.Command, b audiencePage) error {
	if !a.there && b.Number == 0 {
		a.Audience = Audience{
			V: stream.Version, ID: a.ref.ID, Account: a.ref.Account, Channel: b.Channel, Status: Arriving, Digest: b.Before, Created: a.made,
		}
	}
	if a.Status != Arriving || b.Number != len(a.Pages) || b.Before != a.Digest {
		return nil
	}
	b.Page.V = stream.Version
	if err := a.Put(a.ref.PageKey(b.Number), b.Page); err != nil {
		return err
	}
	a.Digest, a.Heard = b.Digest, max(a.Heard, a.made)
	a.Pages = append(a.Pages, len(b.Page.Rows))
	a.Recipients += len(b.Page.Rows)
	return a.put()
}

// foldAudienceClose makes the audience exist. A repeat is answered as the first time.
func foldAudienceClose(a *audience, c shard.Command, b audienceClose) error {
	switch {
	case !a.there || a.Status == Going || a.Status == Arriving && len(a.Pages) < b.Pages:
		return a.Answer(c, shard.Answer{Code: CodeIncomplete, Msg: "Not all of the file has arrived. Send it again under the same Idempotency-Key."})
	case a.Digest != b.Digest:
		return a.Answer(c, shard.Answer{Code: CodeKeyReused, Msg: audienceReused})
	case a.Status == Arriving:
		a.Status, a.Created, a.Unused = Ready, a.made, a.made
		a.Rows, a.Duplicates, a.Invalid, a.Refused = b.Rows, b.Duplicates, b.Invalid, b.Refused
		a.Columns, a.First = b.Columns, b.First
		if err := a.put(); err != nil {
			return err
		}
	}
	return a.Answer(c, shard.Answer{OK: true, Value: a.Audience})
}

const audienceReused = "Another file was sent under this Idempotency-Key. Use another key for another file."

func foldAudienceUse(a *audience, c shard.Command, b audienceUse) error {
	_, known := a.Uses[b.Broadcast]
	switch {
	case a.Status != Ready:
		return a.Answer(c, shard.Answer{Code: CodeNoAudience, Msg: "There is no such audience any more: upload it again."})
	case !known && len(a.Uses) >= MaxUses:
		return a.Answer(c, shard.Answer{Code: CodeAudienceInUse, Msg: fmt.Sprintf("%d broadcasts use this audience: upload it again for more.", MaxUses)})
	case !known:
		if a.Uses == nil {
			a.Uses = map[string]int64{}
		}
		a.Uses[b.Broadcast], a.Unused = a.made, 0
		if err := a.put(); err != nil {
			return err
		}
	}
	return a.Answer(c, shard.Answer{OK: true})
}

func foldAudienceRelease(a *audience, _ shard.Command, b audienceUse) error {
	if _, known := a.Uses[b.Broadcast]; !known {
		return nil
	}
	if delete(a.Uses, b.Broadcast); len(a.Uses) == 0 {
		a.Unused = a.made
	}
	return a.put()
}

func foldAudienceDelete(a *audience, c shard.Command, b audienceForget) error {
	switch {
	case a.Status == Arriving && b.Digest != "" && b.Digest == a.Digest:
	case a.Status != Ready:
		return a.Answer(c, shard.Answer{Code: CodeNotFound, Msg: "There is no such audience."})
	case len(a.Uses) > 0:
		return a.Answer(c, shard.Answer{Code: CodeAudienceInUse, Msg: "A broadcast sends to this audience, or has in the last day. It is forgotten by itself later."})
	}
	a.Status = Going
	if err := a.put(); err != nil {
		return err
	}
	return a.Answer(c, shard.Answer{OK: true})
}

// foldAudienceForget lets go of the last pages, and at the end of the audience, if it is due.
func foldAudienceForget(a *audience, _ shard.Command, b audienceForget) error {
	if !a.there || !a.due(a.made) || b.Pages != len(a.Pages) {
		return nil
	}
	going := forgotten(a.ref, b.Pages)
	for _, key := range going {
		a.Delete(key)
	}
	if len(going) == b.Pages {
		a.Delete(a.ref.AudienceKey())
		return nil
	}
	a.Status, a.Pages = Going, slices.Clone(a.Pages[:b.Pages-len(going)])
	return a.put()
}
