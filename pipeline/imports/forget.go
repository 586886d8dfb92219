package imports

import (
	"errors"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Due gives the command that an import is in need of: one that fell silent is broken off, one that ended long ago is
// forgotten. Whether it really is due, its fold decides. nil: none.
func (i Import) Due(n chat.Shards, id string, now time.Time) (*stream.Record, error) {
	var kind string
	var body any
	switch {
	case i.Status == Running && now.UnixMilli()-i.Heard >= Silence.Milliseconds():
		kind, body = CommandSilent, say{Import: i.ID}
	case i.Ended > 0 && now.UnixMilli()-i.Ended >= Kept.Milliseconds():
		kind, body = CommandForget, forget{Import: i.ID, Pages: i.Pages, Parts: i.partPages()}
	default:
		return nil, nil //nolint:nilnil // as documented
	}
	c, err := shard.NewCommand(id, kind, i.Account, now.UnixMilli(), body)
	if err != nil {
		return nil, err
	}
	return c.Record(i.Ref().Shard(n))
}

// forget is the body of an import.forget: an import that ended long ago, with all its pages.
type forget struct {
	Import string `json:"import"`
	Pages  int    `json:"pages"` // of refused rows
	Parts  int    `json:"parts"` // pages of parts
}

// mostForgotten bounds what one import.forget names.
const mostForgotten = MaxRefused/RefusedPerPage + MaxRows/partsPerPage

func forgetKeys(p shard.Place, c shard.Command) ([]string, error) {
	f, err := shard.Body[forget](c)
	if err != nil {
		return nil, err
	}
	r, err := refOf(p, c, f.Import)
	if err != nil {
		return nil, err
	}
	if f.Pages < 0 || f.Parts < 0 || f.Pages+f.Parts > mostForgotten {
		return nil, errors.New("more pages than an import has")
	}
	return append(r.pages(f.Pages, f.Parts), r.Key()), nil
}

// pages gives the keys of all pages of an import.
func (r Ref) pages(refused, parts int) []string {
	keys := make([]string, 0, refused+parts+1)
	for n := range refused {
		keys = append(keys, r.PageKey(n))
	}
	for n := range parts {
		keys = append(keys, r.PartsKey(n))
	}
	return keys
}

// applyForget forgets an import that ended long enough ago, if the command names all of it.
func applyForget(t *shard.Turn, c shard.Command) error {
	f, err := shard.Body[forget](c)
	if err != nil {
		return err
	}
	r := Ref{c.Account, f.Import}
	var i Import
	known, err := t.Get(r.Key(), &i)
	if err != nil || !known || i.Ended == 0 || c.Made-i.Ended < Kept.Milliseconds() || i.Pages > f.Pages || i.partPages() > f.Parts {
		return err
	}
	for _, key := range append(r.pages(f.Pages, f.Parts), r.Key()) {
		t.Delete(key)
	}
	return nil
}

// partPages is how many pages tell of its parts.
func (i Import) partPages() int { return (i.High + partsPerPage - 1) / partsPerPage }
