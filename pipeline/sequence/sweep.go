package sequence

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"optgate/pipeline/chat"
)

// sweep gives those who wait their steps and times by the sequence as it is now, one page a turn. Until it has come to somebody,
// that person's step is looked at anew when it is due.
func (r *Runner) sweep(ctx context.Context, q *run) error {
	page, next, err := r.States.Subscribers(ctx, q.Ref(), q.sweep, sweepPage)
	if err != nil {
		return fmt.Errorf("sweep a sequence: %w", err)
	}
	body := Move{ID: q.ID, Version: q.Version, Swept: next == ""}
	for _, s := range page {
		if s.Standing != Waiting {
			continue
		}
		if step, due := r.calendar.Place(q.Sequence, s); step != s.Step || due != s.Due {
			body.People = append(body.People, Moved{P: s.P, Round: s.Round, From: s.Step, Next: step, Due: due})
		}
	}
	if len(body.People) > 0 || body.Swept {
		c, err := r.command(q, KindMove, "sweep."+strconv.FormatInt(q.Version, 10)+"."+q.sweep, body)
		if err != nil {
			return err
		}
		if err := r.publish(ctx, c); err != nil {
			return err
		}
	}
	q.sweep, q.swept, q.asked = next, body.Swept, r.Now()
	q.rests = time.Time{}
	return nil
}

// clear lets a deleted sequence go, once nobody may ask for its report any more.
func (r *Runner) clear(ctx context.Context, q *run, now time.Time) error {
	if now.UnixMilli()-q.Ended < Kept.Milliseconds() || now.Sub(q.asked) < lookEvery {
		return nil
	}
	page, _, err := r.States.Subscribers(ctx, q.Ref(), "", sweepPage)
	if err != nil {
		return fmt.Errorf("clear a sequence: %w", err)
	}
	people := make([]chat.Pseudonym, len(page))
	for i, s := range page {
		people[i] = s.P
	}
	c, err := r.command(q, KindForget, "clear."+strconv.FormatInt(now.UnixMilli(), 36), Forget{ID: q.ID, People: people})
	if err != nil {
		return err
	}
	q.asked = now
	return r.publish(ctx, c)
}
