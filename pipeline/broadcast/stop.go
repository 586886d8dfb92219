package broadcast

import (
	"fmt"

	"optgate/pipeline/chat"
)

// When a broadcast is paused by what became of its messages. Meta lowers the quality of a number whose messages people block and
// report, and in the end its limits: most of those who would stop a campaign by hand do so when one message in five meets somebody
// who wants no marketing. Every second message failing means that the audience or the message is not what its sender thinks.
const (
	largestCohort  = 200 // messages that went together: so many that chance makes no share of them much larger than it is of all
	smallestCohort = 50  // of a small broadcast; one of fewer recipients is never paused for a share
	mostUnwanted   = 20  // percent of them that Meta refuses for the person's sake
	mostFailed     = 50  // percent that fail for any reason
)

// The codes of pauses by what Meta answers. Those by the channel's condition are pipeline/channel's.
const (
	PauseToken     = "token_expired"     // or revoked, or none is there
	PauseAccess    = "no_permission"     // the token may not do this
	PauseLocked    = "account_locked"    // by Meta, for its policies
	PausePayment   = "payment_required"  // Meta wants a payment method
	PauseNumber    = "number_unusable"   // it is not registered, or its name not approved
	PauseSpam      = "spam_limit"        // Meta limits the number since people don't want what it sends
	PauseTemplate  = "template_unusable" // absent, paused, disabled, or against Meta's policies
	PauseMarketing = "marketing_refused" // Meta lets this account send no marketing
	PauseUnwanted  = "unwanted"          // too many have stopped marketing, or had enough of it
	PauseFailures  = "failures"          // too many messages fail
)

// halts gives the codes of Meta's errors that stop a whole broadcast, whoever it would go to next.
var halts = map[int]string{
	0: PauseToken, 190: PauseToken,
	3: PauseAccess, 10: PauseAccess, 131005: PauseAccess,
	368: PauseLocked, 131031: PauseLocked,
	131042: PausePayment,
	131037: PauseNumber, 131045: PauseNumber, 133000: PauseNumber, 133005: PauseNumber, 133006: PauseNumber, 133008: PauseNumber,
	133009: PauseNumber, 133010: PauseNumber, 133015: PauseNumber, 133016: PauseNumber,
	131048: PauseSpam,
	131063: PauseMarketing, 131064: PauseMarketing,
	// The template itself. Errors of one person's parameters (132000, 132005, 132012, 132018) are failures like others.
	132001: PauseTemplate, 132007: PauseTemplate, 132015: PauseTemplate, 132016: PauseTemplate, 132068: PauseTemplate, 132069: PauseTemplate,
}

var haltReasons = map[string]string{ //nolint:gosec // sentences for people
	PauseToken:     "Meta does not take the channel's access token.",
	PauseAccess:    "The channel's access token may not send messages.",
	PauseLocked:    "Meta has locked the account for its policies.",
	PausePayment:   "Meta wants a valid payment method for the account.",
	PauseNumber:    "Meta finds the number not ready to send.",
	PauseSpam:      "Meta limits the number, since too many people block or report what it sends.",
	PauseMarketing: "Meta lets this account send no marketing.",
	PauseTemplate:  "Meta does not send the template.",
}

// Errors of Meta's by which it spares people marketing.
const (
	metaEnough  = 131049 // of late, from everybody
	metaStopped = 131050 // for good, by the person's wish
)

// haltOf gives the code for which an error of Meta's stops a broadcast; false where it stops none. A fact without a code of Meta's
// does so only as a lane's notice that its channel can't send.
func haltOf(f chat.Fact) (string, bool) {
	if f.Code == 0 && f.Status != chat.Queued {
		return "", false
	}
	code, ok := halts[f.Code]
	switch {
	case ok:
		return code, true
	case f.Code >= 200 && f.Code < 300:
		return PauseAccess, true
	}
	return PauseNumber, f.Status == chat.Queued
}

// halt notes that the broadcast must be paused, unless that was found before.
func (b *run) halt(code, reason string) {
	if b.stop == nil {
		b.stop = &Pause{Code: code, Reason: reason}
	}
}

// judge looks whether a fact is a reason to pause; first says that it is the first about its row. What was so before somebody let the
// broadcast go on is none.
func (b *run) judge(f chat.Fact, first bool) {
	if b.Status != Running && b.Status != Planned || b.Resumed > 0 && f.At <= b.Resumed {
		return
	}
	if f.Status == chat.Queued || f.Status == chat.Failed {
		if code, ok := haltOf(f); ok {
			b.halt(code, fmt.Sprintf("%s It said: %s", haltReasons[code], f.Error))
			return
		}
	}
	if f.Status != chat.Sent && f.Status != chat.Delivered && f.Status != chat.Read && (f.Status != chat.Failed || f.Code == 0) {
		return
	}
	size := min(max(b.Audience/5, smallestCohort), largestCohort)
	switch c := b.tally.count(f, first, size); {
	case c.unwanted*100 >= size*mostUnwanted:
		b.halt(PauseUnwanted, fmt.Sprintf("Of %d people %d have stopped marketing at WhatsApp or had enough of it.", c.sent, c.unwanted))
	case c.failed*100 >= size*mostFailed:
		b.halt(PauseFailures, fmt.Sprintf("Of %d messages %d failed, the last one with: %s", c.sent, c.failed, f.Error))
	}
}

// tally counts what became of messages that went out together, so that a failure which is told late is held against those that it
// went with, and not against what is sent by then.
type tally struct {
	of      []uint16 // by row: its cohort, from 1; 0: none. The highest bit: it has failed
	cohorts []counts
}

type counts struct{ sent, failed, unwanted int }

const (
	failedBit  = 1 << 15
	mostCohort = failedBit - 1
)

// count takes in that Meta has taken a message or that it failed, and gives how its cohort of this size stands. A message belongs to
// one by the first fact about it; where that was not counted, no later one is.
func (t *tally) count(f chat.Fact, first bool, size int) counts {
	for len(t.of) <= f.Row {
		t.of = append(t.of, make([]uint16, max(f.Row+1-len(t.of), len(t.of)/4))...)
	}
	if t.of[f.Row] == 0 && !first {
		return counts{}
	}
	if t.of[f.Row] == 0 {
		if n := len(t.cohorts); (n == 0 || t.cohorts[n-1].sent >= size) && n < mostCohort {
			t.cohorts = append(t.cohorts, counts{})
		}
		t.of[f.Row] = uint16(len(t.cohorts))
		t.cohorts[len(t.cohorts)-1].sent++
	}
	c := &t.cohorts[t.of[f.Row]&mostCohort-1]
	if f.Status == chat.Failed && t.of[f.Row]&failedBit == 0 {
		t.of[f.Row] |= failedBit
		c.failed++
		if f.Code == metaEnough || f.Code == metaStopped {
			c.unwanted++
		}
	}
	return *c
}
