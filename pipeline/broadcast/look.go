package broadcast

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"optgate/pipeline/stream"
)

// look finds broadcasts that are new, have changed or are gone, and sees to it that facts are read from where the report
// ends.
func (r *Runner) look(ctx context.Context) error {
	r.rung = false // whatever is decided from here on rings again
	active, err := r.States.Active(ctx, r.Shard)
	if err != nil {
		return fmt.Errorf("look for broadcasts: %w", err)
	}
	r.looked = r.Now()
	var changed []string
	for ref, status := range active {
		if b := r.runs[ref]; b == nil || b.Status != status || b.said != "" || b.archival != nil {
			changed = append(changed, ref.Key())
		}
	}
	for ref := range r.runs {
		if _, ok := active[ref]; !ok {
			delete(r.runs, ref)
		}
	}
	slices.Sort(changed)
	fresh, err := r.load(ctx, changed)
	if err != nil {
		return err
	}
	if err := r.sweep(ctx); err != nil {
		return err
	}
	r.arrange()
	switch {
	case len(r.order) == 0:
		r.unfollow()
		r.tail = -1
		return nil
	case fresh || r.following == nil:
		return r.open(ctx)
	}
	return nil
}

// load reads broadcasts; fresh says that one began to exist.
func (r *Runner) load(ctx context.Context, keys []string) (fresh bool, err error) {
	if len(keys) == 0 {
		return false, nil
	}
	raws, err := r.States.States(ctx, r.Shard, keys...)
	if err != nil {
		return false, fmt.Errorf("read broadcasts: %w", err)
	}
	for _, raw := range raws {
		if raw == nil {
			continue
		}
		var b Broadcast
		if err := json.Unmarshal(raw, &b); err != nil {
			return false, fmt.Errorf("read a broadcast: %w", err)
		}
		known := r.runs[b.Ref()]
		if known == nil || known.Status == Collecting {
			r.runs[b.Ref()] = newRun(b)
			fresh = fresh || b.Status != Collecting && b.Archived == nil
			continue
		}
		if b.Status == Paused && known.Status != Paused {
			r.Metrics.BroadcastPaused(b.Pause.Code)
		}
		known.become(b)
	}
	return fresh, nil
}

// sweep forgets what has been collecting pages for too long: whoever made it gave up.
func (r *Runner) sweep(ctx context.Context) error {
	for _, b := range r.runs {
		if b.Archived != nil {
			if err := r.tidy(ctx, b); err != nil {
				return err
			}
		}
		if b.Status == Collecting && r.Now().Sub(time.UnixMilli(b.Created)) > collecting {
			if err := r.forget(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrange gives the broadcasts their order, the oldest first: each takes its turn after every round.
func (r *Runner) arrange() {
	r.order = r.order[:0]
	for _, b := range r.runs {
		if b.Status != Collecting && b.Archived == nil {
			r.order = append(r.order, b)
		}
	}
	slices.SortFunc(r.order, func(a, b *run) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
	})
}

// surelyAhead is how far ahead a start lies that no runner has come to, however its clock goes.
const surelyAhead = time.Hour

// open makes the report ready and reads facts from where it ends; from further back where it was lost.
func (r *Runner) open(ctx context.Context) error {
	first, end, err := r.Reader.Ends(ctx, stream.Outcomes, r.Shard)
	if err != nil {
		return fmt.Errorf("end of outcomes: %w", err)
	}
	all := make([]Broadcast, len(r.order))
	for i, b := range r.order {
		if all[i] = b.Broadcast; b.Started == 0 && !b.Status.Over() && r.Now().Add(surelyAhead).UnixMilli() < b.StartsAt {
			all[i].Outcomes = end // nobody has said anything about it, and a month of facts need not be read again
		}
	}
	next, known, err := r.Report.OpenRows(ctx, r.Shard, first, end, all)
	if err != nil {
		return fmt.Errorf("open the report: %w", err)
	}
	for _, b := range r.order {
		for _, n := range known[b.Ref()] {
			b.know(n)
		}
	}
	if r.following != nil && next >= r.tail {
		return nil
	}
	if r.following == nil && r.tail >= 0 {
		next = max(first, min(next, r.tail)) // what another runner folded meanwhile is news to this one's memory
	}
	r.follow(next)
	return nil
}
