package feed

import (
	"context"
	"fmt"
	"time"

	"optgate/pipeline/fault"
)

// look finds what is due, list by list, and lets go of what is done.
func (r *Runner) look(ctx context.Context) error {
	now := r.Now()
	feeds, err := r.States.Feeds(ctx, r.Shard)
	if err != nil {
		return fmt.Errorf("look for feeds: %w", err)
	}
	for ref, t := range r.told {
		if now.Sub(t.at) > tellAgain {
			delete(r.told, ref)
		}
	}
	for list, q := range r.queues {
		q.waiting, q.more = nil, false
		if len(q.inHand) == 0 {
			delete(r.queues, list)
		}
	}
	pending, oldest := 0, time.Duration(0)
	for _, w := range feeds {
		pending, oldest = pending+w.Count, max(oldest, now.Sub(w.Oldest))
		if w.Count == 0 || w.Next.After(now) {
			continue
		}
		rests, err := r.rests(ctx, w, now)
		if err != nil {
			return err
		}
		if rests {
			continue
		}
		if err := r.fill(ctx, w.List, now); err != nil {
			return err
		}
	}
	r.Metrics.FeedPending(r.Shard, pending, oldest)
	return r.sweep(ctx)
}

// rests says that nothing is to be done for a list, whatever it has due: its receiver is left alone, and no day is over.
func (r *Runner) rests(ctx context.Context, w Waiting, now time.Time) (bool, error) {
	account, err := r.Accounts.Account(ctx, w.List.Account)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return false, fmt.Errorf("account of a feed: %w", err)
	}
	l, ok := account.List(w.List.ID) // of a notice the URL isn't known here, and whether it rests is seen when it is begun
	return ok && l.WebhookURL != "" && now.Sub(w.Oldest) < Lasts && r.Courier.waits(l.WebhookURL, now), nil
}

// fill takes a page of what a list has due into memory.
func (r *Runner) fill(ctx context.Context, list List, now time.Time) error {
	q := r.queues[list]
	if q == nil {
		q = &queue{inHand: map[Ref]bool{}}
		r.queues[list] = q
	}
	ours := 0
	for _, t := range r.told {
		if t.list == list {
			ours++
		}
	}
	limit := pageSize + len(q.inHand) + ours
	due, err := r.States.Due(ctx, r.Shard, list, now, limit)
	if err != nil {
		return fmt.Errorf("look for deliveries: %w", err)
	}
	q.more = len(due) == limit
	stillDue := make(map[Ref]bool, len(due))
	for i := range due {
		d := &due[i]
		t, isTold := r.told[d.Ref()]
		stillDue[d.Ref()] = true
		if q.inHand[d.Ref()] || isTold && t.tries == d.Tries && t.since == d.Since {
			continue
		}
		q.waiting = append(q.waiting, *d)
	}
	for ref, t := range r.told {
		if t.list == list && !stillDue[ref] {
			delete(r.told, ref) // its shard has folded it: what was told stood before what waits
		}
	}
	return nil
}

// sweep lets deliveries go whose time is over.
func (r *Runner) sweep(ctx context.Context) error {
	now := r.Now()
	if now.Before(r.sweepAt) {
		return nil
	}
	old, err := r.States.Old(ctx, r.Shard, now, forgetAtOnce)
	if err != nil {
		return fmt.Errorf("look for old deliveries: %w", err)
	}
	r.sweepAt = now.Add(sweepEvery)
	if len(old) == forgetAtOnce {
		r.sweepAt = now.Add(sweepSoon)
	}
	byAccount := map[string][]string{}
	for _, ref := range old {
		byAccount[ref.Account] = append(byAccount[ref.Account], ref.ID)
	}
	for account, ids := range byAccount {
		if err := r.publish(ctx, "forget/"+ids[0], KindForget, account, Forget{ids}); err != nil {
			return err
		}
	}
	return nil
}
