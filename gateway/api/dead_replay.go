package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// Why a dead letter is not put back, as answers count it.
const (
	skippedNotReplayable = "not_replayable" // it came from nowhere that it could go back to
	skippedIncomplete    = "incomplete"     // its bytes or its headers are not all there
)

// replayOne answers POST /v1/dead/{partition}/{offset}/replay: the letter's bytes go back where they came from, with the time
// at which they were received and, for a command, under its own id. So a second replay has no second effect.
func (a *API) replayOne(c *call) error {
	partition, offset, err := placeOf(c.param("partition") + "." + c.param("offset"))
	if err != nil || partition >= a.Topics.Partitions(stream.Dead) || offset < 0 {
		return noLetter()
	}
	letter, err := a.Topics.At(c.ctx, stream.Dead, partition, offset)
	if errors.Is(err, stream.ErrTruncated) {
		return noLetter()
	}
	if err != nil {
		return err
	}
	r, skipped := a.revived(&letter)
	if r == nil {
		return fault.New(fault.Unprocessable, skipped, "%s", map[string]string{
			skippedNotReplayable: "This letter came from nowhere that it could go back to: only items of inbound, commands and deliveries of feeds do.",
			skippedIncomplete:    "This letter lacks bytes or headers that it would need to go back.",
		}[skipped])
	}
	if err := a.putBack(c.ctx, r); err != nil {
		return err
	}
	return c.answer(http.StatusOK, replayAnswer{Replayed: 1, Skipped: map[string]int{}})
}

// replayAsked is the body of POST /v1/dead/replay. What is missing leaves nothing out.
type replayAsked struct {
	Reason string `json:"reason"`
	Source string `json:"source"` // inbound, commands or feed, or a place in them as inbound/3
	Since  string `json:"since"`  // of when they died
	Until  string `json:"until"`
	Limit  *int   `json:"limit"` // 1,000 by default, at most 10,000
	After  string `json:"after"` // the cursor that the answer before gave as next
}

type replayAnswer struct {
	Replayed int            `json:"replayed"`
	Skipped  map[string]int `json:"skipped"` // by reason
	Next     *string        `json:"next"`    // where to go on; null: there are no more
}

const (
	replayLimit  = 1000
	replaysMost  = 10_000
	replaysBytes = 1 << 20 // published at once
	replayTime   = 8 * time.Second
)

// errReplayFull ends a reading once the answer's limit, or its time, is reached.
var errReplayFull = errors.New("enough is replayed")

// replayMany answers POST /v1/dead/replay: the letters that fit go back, in the order of dead.
func (a *API) replayMany(c *call) error {
	var asked *replayAsked
	if err := c.decode(smallBody, &asked); err != nil {
		return err
	}
	if asked == nil { // null, which nobody writes who means "all"
		return fault.New(fault.Invalid, "invalid_json", "The body is no JSON object of the documented shape.")
	}
	m, err := a.replayPage(*asked)
	if err != nil {
		return err
	}
	for at := m.partition; at < a.Topics.Partitions(stream.Dead); at, m.offset = at+1, 0 {
		first, end, err := a.Topics.Ends(c.ctx, stream.Dead, at)
		if err != nil {
			return err
		}
		err = a.Topics.Read(c.ctx, stream.Dead, at, max(first, m.offset), end, func(r stream.Record) error { return m.take(c.ctx, &r) })
		if errors.Is(err, errReplayFull) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := m.flush(c.ctx); err != nil {
		return err
	}
	return c.answer(http.StatusOK, m.answer)
}

// replayPage is one answer on its way.
type replayPage struct {
	a                 *API
	asked             replayAsked
	partition         int // where it begins
	offset            int64
	since, until, end time.Time
	limit, seen       int
	waiting           []*stream.Record
	bytes             int
	answer            replayAnswer
}

func (a *API) replayPage(asked replayAsked) (*replayPage, error) {
	m := &replayPage{a: a, asked: asked, limit: replayLimit, until: a.Now(), end: time.Now().Add(replayTime), answer: replayAnswer{Skipped: map[string]int{}}}
	var wrong []fault.Field
	add := func(field, code, detail string) {
		wrong = append(wrong, fault.Field{Field: field, Code: code, Detail: detail})
	}
	var ok bool
	if m.since, ok = instantOf(asked.Since, a.Now()); !ok {
		add("since", "not_a_time", notATime)
	}
	if until, ok := instantOf(asked.Until, a.Now()); !ok {
		add("until", "not_a_time", notATime)
	} else if !until.IsZero() {
		m.until = until
	}
	if asked.Limit != nil {
		if m.limit = *asked.Limit; m.limit < 1 || m.limit > replaysMost {
			add("limit", "out_of_range", fmt.Sprintf("is a number from 1 to %d", replaysMost))
		}
	}
	var err error
	if m.partition, m.offset, err = placeOf(asked.After); err != nil {
		add("after", "bad_cursor", "is no cursor that an answer gave as next")
	}
	return m, wrongFields(wrong)
}

// take puts one letter back if it fits. Letters that died after the call began are left for the next: what is put back now and
// dies again is among them.
func (m *replayPage) take(ctx context.Context, letter *stream.Record) error {
	if letter.Time.Before(m.since) || letter.Time.After(m.until) || !m.fits(letter) {
		return nil
	}
	if m.seen == m.limit || m.seen > 0 && time.Now().After(m.end) {
		next := fmt.Sprintf("%d.%d", letter.Partition, letter.Offset)
		m.answer.Next = &next
		return errReplayFull
	}
	m.seen++
	r, skipped := m.a.revived(letter)
	if r == nil {
		m.answer.Skipped[skipped]++
		return nil
	}
	m.waiting, m.bytes = append(m.waiting, r), m.bytes+len(r.Value)
	if m.bytes > replaysBytes {
		return m.flush(ctx)
	}
	return nil
}

func (m *replayPage) fits(letter *stream.Record) bool {
	source := letter.Header("source")
	return (m.asked.Reason == "" || letter.Header("reason") == m.asked.Reason) &&
		(m.asked.Source == "" || source == m.asked.Source || strings.HasPrefix(source, m.asked.Source+"/"))
}

func (m *replayPage) flush(ctx context.Context) error {
	if len(m.waiting) == 0 {
		return nil
	}
	if err := m.a.putBack(ctx, m.waiting...); err != nil {
		return err
	}
	m.answer.Replayed += len(m.waiting)
	m.waiting, m.bytes = nil, 0
	return nil
}

func (a *API) putBack(ctx context.Context, records ...*stream.Record) error {
	if err := a.Publisher.Publish(ctx, records...); err != nil {
		return fault.Wrap(err, fault.Unavailable, "unavailable", "Not everything could be put back just now. Try again: what is back already has no second effect.")
	}
	return nil
}
