package shard

import (
	"time"

	"optgate/pipeline/stream"
)

// meter is told how an owner gets on. Its calls cost next to nothing.
type meter interface {
	Claimed(hard bool)                      // hard: older owners were fenced; else the view alone was begun anew
	Turned(commands int, lag int64)         // so many were decided at once; so many more were there when they were fetched
	InForce(kind string, age time.Duration) // a command is decided and in the view, so long after it was made
	Leased()                                // the view is certain for a while
	Dead(reason string)                     // a command can't be folded
}

// stamp says when a command was made, by the clock of whoever made it.
type stamp struct {
	kind string
	made int64 // ms since 1970
}

// measure tells of a decision that is in the view.
func (o *Owner) measure(b *batch, round stream.Round, next int64) {
	o.Metrics.Turned(b.taken, round.High-next)
	now := time.Now()
	for _, s := range b.made {
		if s.made > 0 {
			o.Metrics.InForce(s.kind, now.Sub(time.UnixMilli(s.made)))
		}
	}
	for _, reason := range b.dead {
		o.Metrics.Dead(reason)
	}
}

// unmetered is the meter of an owner that was given none.
type unmetered struct{}

func (unmetered) Claimed(bool)                  {}
func (unmetered) Turned(int, int64)             {}
func (unmetered) InForce(string, time.Duration) {}
func (unmetered) Leased()                       {}
func (unmetered) Dead(string)                   {}
