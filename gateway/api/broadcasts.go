package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
)

// BroadcastOptions is what broadcasts and single messages stand on besides Options.
type BroadcastOptions struct {
	Broadcasts broadcasts
	Rows       rows
	Singles    singles
	Media      broadcast.Resolver // of single messages; nil: there is no library
	Gate       asker
	DryRun     broadcast.DryRun // of any draft; its Channel is set by the call
	// Explain tells of each Skip how its entry came to be, where that can be told; see gate.Answer's Cause. May be nil.
	Explain func(ctx context.Context, questions []gate.Question, answers []gate.Answer)
}

// broadcasts reads what was planned; fault.NotCertain where nobody can know.
type broadcasts interface {
	// Broadcast gives nil where there is none.
	Broadcast(ctx context.Context, r broadcast.Ref) (*broadcast.Broadcast, error)
	// Broadcasts gives an account's, the newest first.
	Broadcasts(ctx context.Context, account, after string, limit int) (page []broadcast.Broadcast, next string, err error)
}

// rows reads what became of a broadcast's rows; fault.NotCertain while that is being put together again.
type rows interface {
	// Rows gives what became of rows, in their order.
	Rows(ctx context.Context, b broadcast.Broadcast, numbers []int) ([]broadcast.Outcome, error)
	// RowCounts counts the rows that have a fact.
	RowCounts(ctx context.Context, b broadcast.Broadcast) ([]broadcast.Count, error)
	// FindRows gives the numbers of the first rows from a number on that fit, in their order.
	FindRows(ctx context.Context, b broadcast.Broadcast, f broadcast.Filter, from, most int) ([]int, error)
}

// asker is the gate.
type asker interface {
	Ask(ctx context.Context, questions []gate.Question) []gate.Answer
}

// broadcastAnswer is a broadcast as the API shows it.
type broadcastAnswer struct {
	broadcast.Accepted
	Channel  string   `json:"channel"`
	Category string   `json:"category"`
	Lists    []string `json:"lists"`
	Created  string   `json:"created_at"`
	Starts   string   `json:"starts_at,omitempty"` // where it was not to begin at once
	Ends     string   `json:"ends_at"`
	Ended    string   `json:"ended_at,omitempty"`

	Pause  *pauseAnswer `json:"pause,omitempty"`  // why it is paused
	Reason string       `json:"reason,omitempty"` // why it was cancelled, if somebody said so
	Errors []errorCount `json:"errors"`
	Barred []listCount  `json:"skipped_by"`
}

func (a *API) showBroadcast(c *call) error {
	b, err := a.broadcastOf(c)
	if err != nil {
		return err
	}
	shown, err := a.shown(c.ctx, *b, a.rowsOf(*b).counts)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, shown)
}

func (a *API) listBroadcasts(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	page, next, err := a.Broadcast.Broadcasts.Broadcasts(c.ctx, c.account, after, limit)
	if err != nil {
		return err
	}
	data := make([]broadcastAnswer, len(page))
	for i, b := range page {
		counts := a.rowsOf(b).counts
		if b.Archived != nil { // what came later is read for one that is shown alone
			counts = func(context.Context) ([]broadcast.Count, error) { return b.Archived.Counts, nil }
		}
		if data[i], err = a.shown(c.ctx, b, counts); err != nil {
			return err
		}
	}
	return c.list(data, next)
}

// broadcastOf finds the broadcast that a path names. Another account's is not there.
func (a *API) broadcastOf(c *call) (*broadcast.Broadcast, error) {
	b, err := a.Broadcast.Broadcasts.Broadcast(c.ctx, broadcast.Ref{Account: c.account, ID: c.param("id")})
	if err != nil {
		return nil, err
	}
	if b == nil || b.Status == broadcast.Collecting {
		return nil, fault.New(fault.NotFound, "not_found", "There is no such broadcast.")
	}
	return b, nil
}

func (a *API) shown(ctx context.Context, b broadcast.Broadcast, read func(context.Context) ([]broadcast.Count, error)) (broadcastAnswer, error) {
	counts, err := read(ctx)
	if err != nil {
		return broadcastAnswer{}, err
	}
	return broadcastAnswer{
		Accepted: broadcast.Accepted{ID: b.ID, Status: b.Status, Totals: b.Totals(broadcast.ByStatus(counts))},
		Pause:    pauseOf(b), Reason: b.Reason, Errors: byError(counts), Barred: byList(counts),
		Channel: b.Channel, Category: b.Category, Lists: b.Lists,
		Created: instant(b.Created), Starts: instant(b.StartsAt), Ends: instant(b.EndsAt), Ended: instant(b.Ended),
	}, nil
}

// instant writes a time of ms since 1970; "" for none.
func instant(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// chance gives an id that nobody has.
func chance() string { return strings.ToLower(rand.Text())[:20] }

// idempotency gives the Idempotency-Key; "" where there is none.
func (c *call) idempotency() (string, error) {
	key := c.header("Idempotency-Key")
	if len(key) > 255 {
		return "", fault.New(fault.Invalid, "invalid_idempotency_key", "An Idempotency-Key has at most 255 characters.")
	}
	return key, nil
}
