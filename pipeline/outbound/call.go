// Package outbound sends: a lane partition has one owner, which keeps a queue per channel, asks the gate, waits for
// limits, writes an intent, calls Meta once, and tells what became of it.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"time"

	"optgate/pipeline/chat"
)

// Caller hands messages to Meta. Its error is one of: ErrStale and ErrNotSent (nothing left this machine), *Refusal (Meta
// answered with an error), anything else (nobody knows: the message is Unknown and is never called again).
type Caller interface {
	// Call hands one message over and gives Meta's id of it. It refuses to write the body once good is over.
	Call(ctx context.Context, m chat.Outbound, good time.Time) (messageID string, err error)
}

var (
	// ErrStale says that the gate's answer was too old when the body was to be written: ask again.
	ErrStale = errors.New("gate's answer is too old")
	// ErrNotSent says that not a byte of the body was written: the call may be repeated.
	ErrNotSent = errors.New("not sent")
)

// Advice is what to do about an error answer of Meta's (facts: the table of error codes).
type Advice uint8

// The advices.
const (
	Fail     Advice = iota // never again: the message has failed
	Slow                   // the number or app is too fast: slow down, then again
	Pair                   // this pair is too fast: wait 4^attempt seconds, then again
	Wait                   // Meta is busy or away, and said so before taking the message: back off, then again
	Halt                   // the channel can't send: its messages wait, and its operator is told
	OptedOut               // the person stopped marketing at Meta: failed, and filed on the Meta list
)

// Refusal is an error answer of Meta's.
type Refusal struct {
	HTTP   int
	Code   int
	Title  string // Meta's, without personal data
	Advice Advice
}

// Error gives code and title, as a report's row shows them.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s", r.Code, r.Title) }
