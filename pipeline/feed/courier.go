package feed

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// How hard receivers are pressed.
const (
	callsAtOnce = 512              // of a process
	callsPerURL = 16               // of a process to one URL whose receiver answers
	callsFirst  = 4                // to one that has yet to show that it does, or has failed of late
	failures    = 5                // in a row, after which a URL is left alone
	openFor     = 30 * time.Second // until one call finds out whether it has come back
	doorsKept   = 1000             // URLs after which those that nobody uses are forgotten
)

// errWaits says that a URL is left alone for now: nobody was called.
var errWaits = errors.New("the receiver is left alone for now")

// Call is one post to make.
type Call struct {
	URL     string
	Headers []Header
	Body    []byte
}

// Said is what a receiver answered.
type Said struct {
	Status     int
	RetryAfter string // the header
	Body       []byte // the beginning
}

// caller posts. An error is a *fault.Error with a stable code; it holds nothing of the URL but its host.
type caller interface {
	Post(ctx context.Context, c Call) (Said, error)
}

// Courier carries posts, for all shards of a process: so many at once, a few for each URL, and none to a URL whose
// receiver has failed again and again, save one now and then that finds out.
type Courier struct {
	caller caller
	slots  chan struct{}

	mu    sync.Mutex
	doors map[string]*door
}

// NewCourier makes a courier.
func NewCourier(c caller) *Courier {
	return &Courier{caller: c, slots: make(chan struct{}, callsAtOnce), doors: map[string]*door{}}
}

// outcome is what came of one call.
type outcome struct {
	attempt Attempt
	gone    bool          // the receiver wants no more posts
	after   time.Duration // what it asks to wait
}

// deliver makes one call when it is its turn; write gives it, as it is then. errWaits: none was made.
func (c *Courier) deliver(ctx context.Context, target string, now func() time.Time, write func() (Call, error)) (outcome, error) {
	d := c.enter(target)
	defer c.leave(d)
	answered, called := false, false
	select {
	case d.slots <- struct{}{}:
		defer func() { c.free(d, called, answered) }()
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
	if c.rests(d, now()) {
		return outcome{}, errWaits
	}
	call, err := write()
	if err != nil {
		return outcome{}, err
	}
	done, err := d.breaker.Allow()
	if err != nil {
		return outcome{}, errWaits
	}
	said, o := c.post(ctx, call, now)
	c.rest(d, now().Add(min(o.after, longestAfter)))
	called, answered = true, o.attempt.Error == "" || said.Status == statusGone
	if answered {
		done(nil)
	} else {
		done(errWaits) // any error counts against it
	}
	return o, nil
}

// post calls and says what came of it.
func (c *Courier) post(ctx context.Context, call Call, now func() time.Time) (Said, outcome) {
	began := now()
	said, err := c.caller.Post(ctx, call)
	ended := now()
	o := outcome{attempt: Attempt{At: began.UnixMilli(), Took: ended.Sub(began).Milliseconds(), Status: said.Status}}
	switch {
	case err != nil:
		o.attempt.Error = codeOf(err)
	case said.Status == statusGone:
		o.attempt.Error, o.gone = "gone", true
	case said.Status/100 == 3:
		o.attempt.Error = "redirect"
	case said.Status/100 != 2:
		o.attempt.Error = "status_" + strconv.Itoa(said.Status)
		if said.Status == statusTooMany || said.Status == statusUnavailable {
			o.after = askedFor(said.RetryAfter, ended)
		}
	}
	return said, o
}

// Statuses that mean more than failure.
const (
	statusGone        = 410
	statusTooMany     = 429
	statusUnavailable = 503
)

// askedFor reads the header: seconds or a date. 0 where it says nothing.
func askedFor(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(longestAfter/time.Second))) * time.Second
	}
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, text); err == nil {
			return max(t.Sub(now), 0)
		}
	}
	return 0
}

func codeOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code != "" {
		return f.Code
	}
	return "failed"
}

// Trial is what a test of a list's webhook URL brought.
type Trial struct {
	ID      string
	Attempt Attempt
	Answer  []byte // the beginning of its body
	Detail  string // of the error, for people; "" where it was delivered or answered
}

// Try posts a sample to a list's webhook URL now, whatever its breaker says.
func (c *Courier) Try(ctx context.Context, a optout.Account, l optout.List, id string, now func() time.Time) (Trial, error) {
	body, err := Sample(l, id, now())
	if err != nil {
		return Trial{}, err
	}
	headers, err := Sign(l.FeedSecrets(a.Key, now()), id, now(), body)
	if err != nil {
		return Trial{}, err
	}
	detail := ""
	trying := Courier{caller: detailed{c.caller, &detail}}
	said, o := trying.post(ctx, Call{l.WebhookURL, headers, body}, now)
	return Trial{ID: id, Attempt: o.attempt, Answer: said.Body, Detail: detail}, nil
}

// detailed keeps what a failed call tells people.
type detailed struct {
	caller

	detail *string
}

func (d detailed) Post(ctx context.Context, c Call) (Said, error) {
	said, err := d.caller.Post(ctx, c)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		*d.detail = f.Msg
	}
	return said, err
}
