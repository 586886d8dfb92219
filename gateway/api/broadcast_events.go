package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"sync"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
)

// How progress is streamed.
const (
	eventEvery     = time.Second      // between two events at least
	heartbeatEvery = 15 * time.Second // between two signs of life at most
	rateOver       = 10 * time.Second // that a rate is taken over
	streamFor      = time.Hour        // then the client has to ask again, with a token that is still good
	streamsAtOnce  = 20               // of an account in this process
	reconnectAfter = 2 * time.Second  // that a client is asked to wait
)

// watching counts the streams of progress that run. The zero value: none do.
type watching struct {
	mu      sync.Mutex
	streams map[string]int // by account
}

func (w *watching) begin(account string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.streams[account] >= streamsAtOnce {
		return false
	}
	if w.streams == nil {
		w.streams = map[string]int{}
	}
	w.streams[account]++
	return true
}

func (w *watching) end(account string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.streams[account]--; w.streams[account] <= 0 {
		delete(w.streams, account)
	}
}

// progressAnswer is the data of an event: where a broadcast stands.
type progressAnswer struct {
	broadcast.Accepted
	Rate  float64      `json:"rate"`         // rows that were settled in a second, over the last seconds
	Left  *int         `json:"seconds_left"` // at this rate; null where nothing moves
	Pause *pauseAnswer `json:"pause,omitempty"`
}

// watchBroadcast answers GET /v1/broadcasts/{id}/events: a stream of events (text/event-stream) named progress, each time
// something has changed and at most one a second, and at the end, when no row is queued any more, one named by the status: finished
// or cancelled. An event's id stands for what it shows. Who comes back with Last-Event-ID is not told it again; for a broadcast that has ended that is
// 204, after which a browser doesn't ask any more.
func (a *API) watchBroadcast(c *call) error {
	b, err := a.broadcastOf(c)
	if err != nil {
		return err
	}
	w := watcher{api: a, ref: b.Ref(), last: c.header("Last-Event-ID")}
	first, err := w.look(c.ctx)
	if err != nil {
		return err
	}
	if first.ended() && first.id() == w.last {
		c.rc.SetStatusCode(http.StatusNoContent)
		return nil
	}
	if !a.watching.begin(c.account) {
		c.rc.Response.Header.Set("Retry-After", strconv.Itoa(int(reconnectAfter/time.Second)))
		return fault.New(fault.TooMany, "too_many_streams", "At most %d broadcasts can be watched at once. Close one.", streamsAtOnce)
	}
	account := c.account
	c.rc.Response.Header.Set("X-Accel-Buffering", "no") // proxies that gather an answer show nothing for minutes
	return c.stream("text/event-stream", func(ctx context.Context, to *bufio.Writer) error {
		defer a.watching.end(account)
		return w.run(ctx, to)
	})
}

// watcher follows one broadcast for one client.
type watcher struct {
	api   *API
	ref   broadcast.Ref
	last  string // id of the event that the client has
	seen  []settled
	ended bool
}

// settled is how many rows were settled at a time.
type settled struct {
	at   time.Time
	done int
}

// run writes events until the broadcast ends, the client leaves, or the time of a stream is over.
func (w *watcher) run(ctx context.Context, to *bufio.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, streamFor)
	defer cancel()
	if _, err := fmt.Fprintf(to, "retry: %d\n\n", reconnectAfter.Milliseconds()); err != nil {
		return err
	}
	tick := time.NewTicker(eventEvery)
	defer tick.Stop()
	for wrote := time.Now(); ; {
		p, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case fault.KindOf(err) == fault.NotFound: // forgotten
			return nil
		case err == nil && (p.id() != w.last || w.ended):
			if err := p.write(to); err != nil {
				return err
			}
			w.last, wrote = p.id(), time.Now()
		case time.Since(wrote) >= heartbeatEvery: // also while nothing can be read
			if _, err := to.WriteString(": still here\n\n"); err != nil {
				return err
			}
			wrote = time.Now()
		}
		if err := to.Flush(); err != nil || w.ended {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look reads where the broadcast stands.
func (w *watcher) look(ctx context.Context) (progressAnswer, error) {
	b, err := w.api.Broadcast.Broadcasts.Broadcast(ctx, w.ref)
	if err != nil {
		return progressAnswer{}, err
	}
	if b == nil {
		return progressAnswer{}, errRowsGone()
	}
	counts, err := w.api.rowsOf(*b).counts(ctx)
	if err != nil {
		return progressAnswer{}, err
	}
	totals := b.Totals(broadcast.ByStatus(counts))
	p := progressAnswer{Accepted: broadcast.Accepted{ID: b.ID, Status: b.Status, Totals: totals}, Pause: pauseOf(*b)}
	w.ended = p.ended()
	p.Rate, p.Left = w.rate(time.Now(), totals)
	return p, nil
}

// rate gives how many rows were settled in a second of late, and how many seconds the others take at that rate.
func (w *watcher) rate(now time.Time, totals broadcast.Totals) (rate float64, left *int) {
	w.seen = append(w.seen, settled{now, totals.Audience - totals.Queued})
	for len(w.seen) > 2 && now.Sub(w.seen[1].at) >= rateOver {
		w.seen = w.seen[1:]
	}
	first, last := w.seen[0], w.seen[len(w.seen)-1]
	if took := last.at.Sub(first.at).Seconds(); took > 0 && last.done > first.done {
		rate = float64(int(10*float64(last.done-first.done)/took+0.5)) / 10
	}
	if rate > 0 && !w.ended {
		seconds := int(float64(totals.Queued)/rate + 0.5)
		left = &seconds
	}
	return rate, left
}

// ended says that nothing of ours is to come: of one that was cancelled, rows are given up for a while, and lanes end what they hold.
func (p progressAnswer) ended() bool { return p.Status.Over() && p.Totals.Queued == 0 }

// id stands for what an event shows, its rate aside.
func (p progressAnswer) id() string {
	sum := fnv.New64a()
	_, _ = fmt.Fprintf(sum, "%v %+v", p.Status, p.Totals)
	if p.Pause != nil {
		_, _ = fmt.Fprint(sum, *p.Pause)
	}
	return strconv.FormatUint(sum.Sum64(), 36)
}

func (p progressAnswer) write(to *bufio.Writer) error {
	name := "progress"
	if p.ended() {
		name = string(p.Status)
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(to, "id: %s\nevent: %s\ndata: %s\n\n", p.id(), name, data)
	return err
}
