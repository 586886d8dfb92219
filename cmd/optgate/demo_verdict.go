package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// evidence is what the demo saw from outside: what Meta delivered and was asked for, and what the gateway says of itself.
type evidence struct {
	acknowledged map[string]bool // ids of messages in webhooks that were answered 200
	kept         map[string]bool // ids of messages that stand in inbound and dead
	people       []string        // digits of the broadcast's recipients
	barred       map[string]bool // who opted out before the broadcast
	typed        map[string]bool // those of them who get a confirmation
	late         map[string]bool // who opted out while it ran
	calls        []call          // that Meta was asked for, in their order
	report       []reportRow     // of the broadcast, before receipts tell more
	finished     bool            // the broadcast
	complaints   int             // things that should not be, or did not come in time
	told, known  int             // calls of the broadcast that a receipt tells of, and rows that know it
}

// call is one call of the gateway's to Meta.
type call struct {
	at           time.Time
	person       string // digits
	confirmation bool   // else the broadcast's message
}

// reportRow is a row of the broadcast's report.
type reportRow struct {
	To     string      `json:"to"`
	Status chat.Status `json:"status"`
	Error  string      `json:"error"`
	List   string      `json:"list"`
	Reason string      `json:"reason"`
}

// promise is one thing that must be true, and what was found of it.
type promise struct {
	text, found string
	held        bool
}

// callsAtOnce is how many calls a lane has under way at most; the demo's gateway has one lane for broadcasts.
const callsAtOnce = 64

// judge holds the evidence against the promises.
func (e evidence) judge() []promise {
	lost := len(missing(e.acknowledged, e.kept))
	confirmed, wrongly := e.confirmations()
	twice, barred, after := e.broadcastCalls()
	skipped, others, unknown := e.rows()
	expected := len(e.typed) + len(e.late)
	return []promise{
		{
			"Every message that was answered 200 is kept",
			fmt.Sprintf("%d acknowledged, %d lost", len(e.acknowledged), lost), len(e.acknowledged) > 0 && lost == 0,
		}, {
			"Who typed or pressed it gets one confirmation",
			fmt.Sprintf("%d people, %d confirmed once, %d wrong ones", expected, confirmed, wrongly), confirmed == expected && wrongly == 0,
		}, {
			"The broadcast finishes, with a row for everybody",
			fmt.Sprintf("%d recipients, %d rows", len(e.people), len(e.report)), e.finished && len(e.report) == len(e.people),
		}, {
			"Who opted out is skipped as " + gate.SkipReason,
			fmt.Sprintf("%d of %d, and %d who did not", skipped, len(e.barred), others), skipped == len(e.barred) && others == 0,
		}, {
			"Nobody who opted out is called",
			fmt.Sprintf("%d calls", barred), barred == 0,
		}, {
			"No call of the broadcast follows a confirmation",
			fmt.Sprintf("%d calls, of %d people who opted out meanwhile", after, len(e.late)), after == 0,
		}, {
			"Nobody is called twice, whatever was killed",
			fmt.Sprintf("%d people", twice), twice == 0,
		}, {
			"Unknown are at most the calls in flight at the kill",
			fmt.Sprintf("%d, of at most %d", unknown, callsAtOnce), unknown <= callsAtOnce,
		}, {
			"Everything comes in time",
			fmt.Sprintf("%d complaints", e.complaints), e.complaints == 0,
		}, {
			"Every receipt finds its row",
			fmt.Sprintf("%d of %d", e.known, e.told), e.told > 0 && e.known == e.told,
		},
	}
}

// missing gives what is wanted and not there.
func missing(wanted, there map[string]bool) []string {
	var lost []string
	for one := range wanted {
		if !there[one] {
			lost = append(lost, one)
		}
	}
	return lost
}

// confirmations counts who got exactly one as they should, and confirmations that are one too many or for nobody's STOP.
func (e evidence) confirmations() (confirmed, wrongly int) {
	byPerson := map[string]int{}
	for _, c := range e.calls {
		if !c.confirmation {
			continue
		}
		byPerson[c.person]++
		if !e.typed[c.person] && !e.late[c.person] || byPerson[c.person] > 1 {
			wrongly++
		}
	}
	for person, n := range byPerson {
		if n == 1 && (e.typed[person] || e.late[person]) {
			confirmed++
		}
	}
	return confirmed, wrongly
}

// broadcastCalls counts people whom the broadcast called more than once, its calls to people who had opted out before,
// and its calls that began after the same person's confirmation.
func (e evidence) broadcastCalls() (twice, barred, after int) {
	times, confirmed := map[string]int{}, map[string]bool{}
	for _, c := range e.calls {
		if c.confirmation {
			confirmed[c.person] = true
			continue
		}
		if times[c.person]++; times[c.person] == 2 {
			twice++
		}
		if e.barred[c.person] {
			barred++
		}
		if confirmed[c.person] {
			after++
		}
	}
	return twice, barred, after
}

// rows counts skipped rows of people who opted out and of others, and rows that are Unknown.
func (e evidence) rows() (skipped, others, unknown int) {
	for _, row := range e.report {
		phone := strings.TrimPrefix(row.To, "+")
		switch {
		case row.Status == chat.Unknown:
			unknown++
		case row.Status != chat.Skipped || row.Error != gate.SkipReason || e.late[phone]:
		case e.barred[phone]:
			skipped++
		default:
			others++
		}
	}
	return skipped, others, unknown
}

// printVerdict prints the promises and says whether all held.
func printVerdict(t terminal, promises []promise) bool {
	t.printf("\n")
	for _, p := range promises {
		mark := "held  "
		if !p.held {
			mark = "BROKEN"
		}
		t.printf("  %s  %-54s %s\n", mark, p.text, p.found)
	}
	if slices.ContainsFunc(promises, func(p promise) bool { return !p.held }) {
		t.printf("\nFAILED\n")
		return false
	}
	t.printf("\nPASS\n")
	return true
}
