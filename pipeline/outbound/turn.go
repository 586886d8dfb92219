package outbound

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
)

const (
	holdCheck  = 250 * time.Millisecond // between two looks at the hold
	askedAgain = 250 * time.Millisecond // after the gate didn't know about one person, but about others
	lineTime   = time.Second            // for a line to answer: nothing else is done meanwhile
	callTime   = time.Minute            // after which a call has ended without an answer
)

// pick takes the messages whose turn it is: channel by channel, as many as have a place in their number's line and may be
// under way at once. Places come first, so that the gate's answer is younger than every wait.
func (r *run) pick(ctx context.Context) []*item {
	now := time.Now()
	if now.Before(r.resume) {
		return nil
	}
	if r.Kind == Bulk && r.Hold != nil && r.Hold() {
		r.resume = now.Add(holdCheck)
		return nil
	}
	var batch []*item
	for idle := 0; idle < len(r.ring) && r.busy < r.Calls; {
		q := r.ring[r.turnOf%len(r.ring)]
		r.turnOf = (r.turnOf + 1) % len(r.ring)
		it := r.pickFrom(ctx, q, now)
		if it == nil {
			idle++
			continue
		}
		idle = 0
		batch = append(batch, it)
	}
	return batch
}

func (r *run) pickFrom(ctx context.Context, q *queue, now time.Time) *item {
	for q.may(now) {
		if !q.places.due(now) && !r.reserve(ctx, q, now) {
			return nil
		}
		it := q.pop()
		if opens, quiet := r.quiet(it, now); quiet {
			r.delay(it, opens)
			continue
		}
		if until, paused := q.pairs.pause(it.Pseudonym, now); paused {
			r.delay(it, until)
			continue
		}
		if it.template && now.Before(q.uncounted) {
			r.delay(it, q.uncounted)
			continue
		}
		q.pairs.sent(it.Pseudonym, now)
		q.places.use()
		r.timers.stop(it)
		it.state = picked
		q.busy++
		r.busy++
		return it
	}
	return nil
}

// reserve takes places in the number's line, where that is due, and says whether one may be used now.
func (r *run) reserve(ctx context.Context, q *queue, now time.Time) bool {
	if q.places.left > 0 || now.Before(q.places.ask) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lineTime)
	defer cancel()
	c, _ := r.condition(ctx, q)
	rate := channel.Rate(q.channel, c)
	n := q.places.wanted(rate, min(q.ready, r.Calls))
	got, err := r.Pace.Reserve(ctx, q.number, rate, n, r.Kind.ahead())
	if err != nil {
		q.places.ask = now.Add(askAgain)
		r.Log.Warn().Str("lane", string(r.Kind)).Str("account", q.channel.Account).Str("channel", q.channel.ID).Err(err).Msg("rate can't be asked: waiting")
		return false
	}
	q.places.take(got, now)
	return q.places.due(now)
}

// ask keeps those of the picked that may be sent. Where the gate knows about nobody, the whole lane pauses.
func (r *run) ask(ctx context.Context, batch []*item) []*item {
	if len(batch) == 0 {
		return nil
	}
	questions := make([]gate.Question, len(batch))
	for i, it := range batch {
		questions[i] = gate.Question{
			Account: it.Account, Channel: it.Channel, Pseudonym: it.Pseudonym,
			Lists: gate.Lists(it.Kind, it.Category, it.Lists),
		}
	}
	answers := r.Gate.Ask(ctx, questions)
	if r.Explain != nil {
		r.Explain(ctx, questions, answers)
	}
	var may, doubtful []*item
	for i, it := range batch {
		answer := gate.Answer{}
		if i < len(answers) {
			answer = answers[i]
		}
		r.Metrics.Gate(answer.Verdict.String())
		switch answer.Verdict {
		case gate.Go:
			it.good = answer.Until
			may = append(may, it)
		case gate.Skip:
			r.leave(it)
			r.close(it, chat.Fact{Status: chat.Skipped, Error: answer.Error(), List: answer.List, Reason: optout.Reason(answer)}, nil)
		default:
			doubtful = append(doubtful, it)
		}
	}
	now := time.Now()
	if len(doubtful) == len(batch) {
		r.resume = now.Add(r.doubt.Next())
	} else {
		r.doubt.Reset()
	}
	for _, it := range doubtful {
		r.leave(it)
		r.delay(it, now.Add(askedAgain))
	}
	return may
}

// leave takes a picked message's place in the line back, which then is the next message's.
func (r *run) leave(it *item) {
	it.queue.pairs.unsent(it.Pseudonym)
	it.queue.places.back()
	it.queue.busy--
	r.busy--
}

// putBack undoes a pick.
func (r *run) putBack(it *item) {
	r.unreached(it)
	r.leave(it)
	r.makeReady(it, true)
}

// write appends, as one batch where it is not large: what may be tried again, what is done, the new intents, the cursor.
// Only when Kafka has taken the intents of this owner may their calls begin.
func (r *run) write(ctx context.Context, batch []*item) error {
	now := time.Now()
	records := r.marks
	for _, it := range r.told {
		it.settled = true
		if it.key != "" {
			records = append(records, markDone.about(it))
		}
	}
	for _, it := range batch {
		if !it.intended {
			it.attempt++
			it.intended = true
			records = append(records, markIntent.about(it))
		}
	}
	place := r.place()
	if place != r.cursor && (len(records) > 0 || now.Sub(r.written) >= cursorEvery) {
		records = append(records, mark{Kind: markCursor, Offset: place}.record(string(markCursor)))
		r.written = now
	} else {
		place = r.cursor
	}
	if err := r.append(ctx, records); err != nil {
		return err
	}
	for _, it := range r.told {
		r.release(it)
		if it.key != "" {
			delete(r.open, it.key)
			r.done.add(now, it.Account, it.Broadcast, it.ID, it.Row)
		}
	}
	r.cursor, r.marks, r.told = place, nil, nil
	return nil
}

// place gives the offset before which nothing is open.
func (r *run) place() int64 {
	for len(r.order) > 0 && r.order[0].settled {
		r.order[0], r.order = nil, r.order[1:]
	}
	if len(r.order) > 2*readAhead { // one that stays open must not keep all that are done
		r.order = slices.DeleteFunc(r.order, func(it *item) bool { return it.settled })
	}
	if len(r.order) > 0 {
		return r.order[0].offset
	}
	return r.read
}

// result is what a call said.
type result struct {
	item      *item
	messageID string
	err       error
	took      time.Duration
}

// call begins the calls whose intents stand.
func (r *run) call(batch []*item) {
	for _, it := range batch {
		switch now := time.Now(); {
		case !now.Before(it.until):
			r.unreached(it)
			r.leave(it)
			r.expire(it)
		case !now.Before(it.good):
			r.putBack(it)
		default:
			it.state = calling
			go r.callOne(it, now)
		}
	}
}

func (r *run) callOne(it *item, began time.Time) {
	res := result{item: it}
	defer func() {
		if p := recover(); p != nil {
			res.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		res.took = time.Since(began)
		r.results <- res
	}()
	ctx, cancel := context.WithTimeout(r.work, callTime)
	defer cancel()
	res.messageID, res.err = r.Caller.Call(ctx, it.Outbound, it.good)
}
