package outbound

import (
	"errors"
	"time"

	"optgate/pipeline/chat"
)

// What a report's row shows beside its status where Meta has said nothing.
const (
	NoAnswer    = "No Answer"            // the call ended without one
	Interrupted = "Interrupted"          // whoever called went down before it told the answer
	Undeclared  = "Channel Not Declared" // until the message's validity ended
)

const (
	slowed = time.Second           // how long a message waits after Meta found its number too fast
	stale  = 10 * time.Millisecond // and after the gate's answer was too old
)

// settle takes in what a call said.
func (r *run) settle(res result) {
	it, q, now := res.item, res.item.queue, time.Now()
	r.busy--
	q.busy--
	r.Metrics.Called(string(r.Kind), res.took)
	refusal, refused := errors.AsType[*Refusal](res.err)
	if refused || errors.Is(res.err, ErrStale) || errors.Is(res.err, ErrNotSent) {
		r.unreached(it)
		q.pairs.unsent(it.Pseudonym)
	}
	switch {
	case res.err == nil:
		q.works(now)
		q.pairs.works(it.Pseudonym)
		r.close(it, chat.Fact{Status: chat.Sent, MessageID: res.messageID}, &res)
	case refused:
		r.refused(it, refusal, res, now)
	case errors.Is(res.err, ErrStale):
		r.delay(it, now.Add(stale)) // nothing has left: its intent stands for the next try
	case errors.Is(res.err, ErrNotSent):
		q.pause(now, &q.wait)
		r.again(it)
		r.makeReady(it, true)
	default:
		r.close(it, chat.Fact{Status: chat.Unknown, Error: NoAnswer}, &res)
	}
}

// refused does as Meta's error answer advises.
func (r *run) refused(it *item, refusal *Refusal, res result, now time.Time) {
	q := it.queue
	switch refusal.Advice {
	case Slow:
		q.works(now)
		r.Pace.Slow(q.number)
		r.again(it)
		r.delay(it, now.Add(slowed))
	case Pair:
		q.works(now)
		r.again(it)
		r.delay(it, q.pairs.tooFast(it.Pseudonym, now))
	case Wait:
		q.pause(now, &q.wait)
		r.again(it)
		r.makeReady(it, true)
	case Halt:
		if q.pause(now, &q.halt) {
			r.Log.Error().Str("lane", string(r.Kind)).Str("account", q.channel.Account).Str("channel", q.channel.ID).
				Int("code", refusal.Code).Str("title", refusal.Title).Dur("pause", q.resume.Sub(now)).Msg("channel can't send: its messages wait")
			r.notify(q, it, refusal, now)
		}
		r.Metrics.Send(string(r.Kind), "halted")
		r.again(it)
		r.makeReady(it, true)
	default:
		q.works(now)
		if refusal.Advice == OptedOut {
			r.file(it, now)
		}
		r.close(it, chat.Fact{Status: chat.Failed, Error: refusal.Error(), Code: refusal.Code}, &res)
	}
}

// again says that a call has certainly handed nothing over, so that even another owner may try.
func (r *run) again(it *item) {
	r.marks = append(r.marks, markAgain.about(it))
	it.intended = false
	r.Metrics.Send(string(r.Kind), "again")
}

// file tells, before the message's fact, that the person has stopped marketing at Meta.
func (r *run) file(it *item, now time.Time) {
	if r.OptedOut == nil {
		return
	}
	command, err := r.OptedOut(it.Outbound, now)
	if err != nil {
		r.Log.Error().Str("lane", string(r.Kind)).Str("account", it.Account).Err(err).Msg("a stop at Meta can't be filed")
		return
	}
	r.reports = append(r.reports, report{record: command})
}

// expire ends a message whose validity is over.
func (r *run) expire(it *item) {
	fact := chat.Fact{Status: chat.Expired}
	if it.queue == nil {
		fact.Error = Undeclared
	}
	r.close(it, fact, nil)
}
