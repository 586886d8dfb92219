// Package gate is the question before each send: may this message go to this person now? It knows which lists a message
// is checked against and how an answer reads; the memberships come from gateway/store.
package gate

import (
	"slices"
	"time"

	"optgate/pipeline/chat"
)

// The errors of a report's row whose person is held back.
const (
	SkipReason      = "Optout Number"      // on an opt-out list
	BlacklistReason = "Blacklisted Number" // on the blacklist
)

// The system lists of every account.
const (
	DefaultList = "default"
	MetaList    = "meta"
)

// Blacklist is the id under which the people whom an account has blocked are kept like those of a list. It is no opt-out list:
// it bars every message, is chosen by nobody and shown among no lists.
const Blacklist = "blacklist"

// Good is how long an answer may be acted on; after it, and after every wait, the question is asked again.
const Good = 250 * time.Millisecond

// Question asks for one person on one channel.
type Question struct {
	Account   string
	Channel   string
	Pseudonym chat.Pseudonym
	Lists     []string // as Lists gives them; none: nothing bars it, but the shard must be certain all the same
}

// Verdict is an answer's kind. The zero value is Unknown, so that a forgotten answer sends nothing.
type Verdict uint8

// The verdicts, which are also the labels of optgate_gate_total.
const (
	Unknown Verdict = iota // nobody can be certain: send nothing, ask again
	Go
	Skip
)

// String gives the metric's label.
func (v Verdict) String() string { return [...]string{"unknown", "go", "skip"}[v] }

// Answer is what the gate says.
type Answer struct {
	Verdict Verdict
	List    string    // that bars, where Verdict is Skip
	Channel string    // of the entry that bars: the question's or "*"
	Until   time.Time // the answer is good until then, by the monotonic clock
	Cause   *Cause    // of a Skip; nil where nobody asked for it, or nobody could tell
}

// Error gives what the row of a Skip shows.
func (a Answer) Error() string {
	if a.List == Blacklist {
		return BlacklistReason
	}
	return SkipReason
}

// Cause is how the entry that bars came to be.
type Cause struct {
	Name   string    // of the list, for people; "" where it isn't known
	Since  time.Time // by the time of what was said
	Source string    // as message, api or import
	Rule   string    // the word, or what else made it
	Link   *Link     // nil where it was said under the identifier itself
}

// Link is the tie between two identifiers of one person by which an opt-out came along.
type Link struct {
	From  chat.Pseudonym // whom the opt-out came from
	Since time.Time      // zero where it isn't known
	By    string         // source of what showed the two together
}

// Lists gives what a message is checked against: always the blacklist, which comes first, then what its sender chose, and for
// marketing always Default and Meta. Meta bars marketing only. A confirmation is barred by the blacklist alone.
func Lists(kind chat.OutboundKind, category string, chosen []string) []string {
	lists := append(make([]string, 0, len(chosen)+3), Blacklist)
	if kind == chat.KindConfirmation {
		return lists
	}
	for _, l := range chosen {
		if l != MetaList && !slices.Contains(lists, l) {
			lists = append(lists, l)
		}
	}
	if category == chat.Marketing {
		if !slices.Contains(lists, DefaultList) {
			lists = append(lists, DefaultList)
		}
		lists = append(lists, MetaList)
	}
	return lists
}
