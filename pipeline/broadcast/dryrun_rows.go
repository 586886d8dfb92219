package broadcast

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// pagesRehearsed is how many pages of an audience are read at a time.
const pagesRehearsed = 16

// all gives every recipient to take, from wherever the draft has them.
func (r *rehearsal) all(ctx context.Context, terms Terms) error {
	switch source := r.draft.Plan.Source; {
	case source.Upload != "":
		return r.uploaded(ctx, *terms.Upload)
	case source.Segment != nil:
		return r.segment(ctx, terms)
	}
	for _, page := range r.draft.Rows {
		for _, row := range page {
			if err := r.take(ctx, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// uploaded reads the pages of an audience.
func (r *rehearsal) uploaded(ctx context.Context, a Audience) error {
	keys := make([]string, len(a.Pages))
	for n := range keys {
		keys[n] = a.Ref().PageKey(n)
	}
	for some := range slices.Chunk(keys, pagesRehearsed) {
		raws, err := r.States.States(ctx, a.Ref().Shard(r.Shards), some...)
		if err != nil {
			return err
		}
		for _, raw := range raws {
			if raw == nil {
				return fault.New(fault.Unprocessable, CodeNoAudience, "The audience is being forgotten: upload it again.")
			}
			var page Page
			if err := json.Unmarshal(raw, &page); err != nil {
				return fmt.Errorf("page of an audience: %w", err)
			}
			for _, row := range page.Rows {
				if err := r.take(ctx, row); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// segment evaluates a segment as a broadcast does when it starts.
func (r *rehearsal) segment(ctx context.Context, terms Terms) error {
	hasher, seen, names := terms.Account.Key.Hasher(), map[chat.Pseudonym]struct{}{}, r.draft.Plan.Message.Names()
	return r.Segments.Members(ctx, *r.draft.Plan.Source.Segment, r.draft.Plan.Channel, func(ids []chat.Identifier) (err error) {
		known := map[chat.Identifier]map[string]string{}
		if len(names) > 0 {
			if known, err = r.Segments.Attributes(ctx, r.draft.Account, ids); err != nil {
				return err
			}
		}
		for _, id := range ids {
			who := hasher.Pseudonym(id)
			if _, again := seen[who]; again || id.Kind() != chat.KindPhone && id.Kind() != chat.KindBSUID {
				if again {
					r.said.Duplicates++
				}
				continue
			}
			seen[who] = struct{}{}
			if err := r.take(ctx, Row{To: id, Pseudonym: who, Params: known[id]}); err != nil {
				return err
			}
		}
		return nil
	})
}
