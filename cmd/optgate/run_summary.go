package main

import (
	"context"
	"fmt"
	"time"
)

// summary is what run shows of a gateway while it works.
type summary struct {
	received, kept, optedOut, sent, skipped float64
	oldest                                  time.Duration // age of the oldest item that is kept and not handled yet
}

// summarise reads the gateway's own metrics.
func summarise(m samples) summary {
	return summary{
		received: m.sum("optgate_webhooks_total"),
		kept:     m.sum("optgate_webhooks_total", `result="kept"`, `result="dead"`),
		optedOut: m.sum("optgate_optouts_total"),
		sent:     m.sum("optgate_sends_total", `result="sent"`),
		skipped:  m.sum("optgate_gate_total", `answer="skip"`),
		oldest:   time.Duration(m.sum("optgate_oldest_unprocessed_seconds") * float64(time.Second)),
	}
}

// String is one line.
func (s summary) String() string {
	return fmt.Sprintf("received %.0f · kept %.0f · opted out %.0f · sent %.0f · skipped %.0f · oldest unprocessed %s",
		s.received, s.kept, s.optedOut, s.sent, s.skipped, s.oldest.Round(10*time.Millisecond))
}

const (
	shownEvery   = time.Second     // on a terminal, where a line is written over
	printedEvery = 5 * time.Second // elsewhere
)

// watch shows the summary until ctx ends. It ends the line that it leaves on a terminal.
func watch(ctx context.Context, t terminal, gateway client) {
	every, before, after := printedEvery, "", "\n"
	if t.shows() {
		every, before, after = shownEvery, "\r\x1b[K", ""
		t.printf("\x1b[?7l") // a line too long for the terminal is cut, since a second one could not be written over
		defer t.printf("\x1b[?7h\n")
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		m, err := gateway.samples(ctx)
		if ctx.Err() != nil {
			return
		}
		line := summarise(m).String()
		if err != nil {
			line = "no figures: " + err.Error()
		}
		t.printf("%s%s%s", before, line, after)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
