package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// begin begins calls for a list, as the list is now: as many as may be under way.
func (r *Runner) begin(ctx, calling context.Context, list List, q *queue) error {
	if len(q.waiting) == 0 || len(q.inHand) >= callsPerURL || r.failed || len(r.untold) >= mostUntold {
		return nil
	}
	account, err := r.Accounts.Account(ctx, list.Account)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return fmt.Errorf("account of a feed: %w", err)
	}
	l := q.waiting[0].of(account)
	switch {
	case l.WebhookURL == "":
		r.drop(list, q)
	case r.Courier.waits(l.WebhookURL, r.Now()):
		r.giveUp(list, q)
	default:
		for len(q.waiting) > 0 && len(q.inHand) < callsPerURL {
			d := q.waiting[0]
			q.waiting = q.waiting[1:]
			q.inHand[d.Ref()] = true
			r.calls.Go(func() { r.call(calling, account, l, list, d) })
		}
	}
	return nil
}

// drop closes what a list has due that is told of nothing any more.
func (r *Runner) drop(list List, q *queue) {
	for _, d := range q.waiting {
		r.note(result{d, list, &Result{ID: d.ID, Try: d.Tries, Status: Dropped, At: r.Now().UnixMilli()}})
	}
	q.waiting = nil
}

// giveUp ends deliveries whose day is over while their receiver is left alone. The others wait, and that uses up no attempt.
func (r *Runner) giveUp(list List, q *queue) {
	now := r.Now()
	waiting := q.waiting[:0]
	for _, d := range q.waiting {
		if now.Before(d.Until()) {
			waiting = append(waiting, d)
			continue
		}
		r.note(result{d, list, &Result{ID: d.ID, Try: d.Tries, Status: Dead, Error: ErrorWaited, At: now.UnixMilli()}})
	}
	q.waiting = waiting
}

// call makes one call, when it is its turn.
func (r *Runner) call(ctx context.Context, a optout.Account, l optout.List, list List, d Delivery) {
	one := result{delivery: d, list: list}
	defer func() { r.results <- one }()
	asked := r.Now()
	o, err := r.Courier.deliver(ctx, l.WebhookURL, r.Now, func() (Call, error) {
		if r.Now().Sub(asked) > stale {
			now, err := r.Accounts.Account(ctx, list.Account)
			if err != nil || d.of(now).WebhookURL != l.WebhookURL {
				return Call{}, errWaits // for the next look, which sees to what is so now
			}
		}
		body, err := d.Body(a, l)
		if err != nil {
			return Call{}, err
		}
		headers, err := Sign(l.FeedSecrets(a.Key, r.Now()), d.ID, r.Now(), body)
		return Call{l.WebhookURL, headers, body}, err
	})
	switch {
	case errors.Is(err, errWaits), ctx.Err() != nil && o.attempt.Error != "":
		return // one that was broken off may have arrived: it is posted again under the same id
	case err != nil:
		if ctx.Err() == nil {
			r.Logger.Error().Int("shard", r.Shard).Str("delivery", d.ID).Err(err).Msg("a delivery can't be posted")
		}
		return
	}
	became := d.became(o, r.Now())
	one.result = &became
}

// became says what a delivery becomes by the outcome of a call.
func (d *Delivery) became(o outcome, ended time.Time) Result {
	res := Result{ID: d.ID, Try: d.Tries, Attempt: &o.attempt, At: ended.UnixMilli()}
	switch {
	case o.attempt.Error == "":
		res.Status = Delivered
	case o.gone, !ended.Before(d.Until()):
		res.Status, res.Error = Dead, o.attempt.Error
	default:
		res.Status = Pending
		res.Next = d.next(ended, d.Tries-d.Round+1, o.after).UnixMilli()
	}
	return res
}

// tell has the shard decide what came of calls, which go on meanwhile: what they bring is told together, once Kafka has
// taken what was told before. What it doesn't take stays to be told, and nothing is posted until then.
func (r *Runner) tell(ctx context.Context) {
	if r.telling || len(r.untold) == 0 || r.Now().Before(r.tellAt) {
		return
	}
	account := r.untold[0].list.Account
	var body Tried
	for _, one := range r.untold[:min(len(r.untold), tellAtOnce)] {
		if one.list.Account != account {
			break
		}
		body.Results = append(body.Results, *one.result)
	}
	r.telling = true
	go func() {
		first := body.Results[0]
		err := r.publish(ctx, fmt.Sprintf("tried/%s/%d", first.ID, first.Try), KindTried, account, body)
		r.kept <- keeping{len(body.Results), err}
	}()
}

// heard counts what Kafka has kept.
func (r *Runner) heard(k keeping) {
	r.telling, r.failed = false, k.err != nil
	if k.err != nil {
		r.Logger.Warn().Int("shard", r.Shard).Int("deliveries", len(r.untold)).Err(k.err).Msg("what came of posts is not kept yet")
		r.tellAt = r.Now().Add(retryAfter)
		return
	}
	for _, one := range r.untold[:k.n] {
		r.say(one)
	}
	r.untold = r.untold[k.n:]
}

// say counts a result and writes the line of a delivery that ended badly.
func (r *Runner) say(one result) {
	res := one.result
	switch res.Status {
	case Pending:
		r.Metrics.Feed("failed")
		return
	case Dead:
		tries := one.delivery.Tries
		if res.Attempt != nil {
			tries++
		}
		r.Metrics.Dead(ReasonDead)
		r.Logger.Warn().Int("shard", r.Shard).Str("account", one.list.Account).Str("list", one.list.ID).Str("delivery", res.ID).
			Str("error", res.Error).Int("tries", tries).Msg("delivery given up")
	case Delivered, Dropped:
	}
	r.Metrics.Feed(string(res.Status))
}

func (r *Runner) publish(ctx context.Context, id, kind, account string, body any) error {
	c, err := shard.NewCommand(id, kind, account, r.Now().UnixMilli(), body)
	if err != nil {
		return err
	}
	record, err := c.Record(r.Shard)
	if err != nil {
		return err
	}
	if err := r.Publisher.Publish(ctx, record); err != nil {
		return fmt.Errorf("publish %s: %w", kind, err)
	}
	return nil
}
