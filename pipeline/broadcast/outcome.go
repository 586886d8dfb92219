package broadcast

import (
	"cmp"
	"slices"
	"strings"

	"optgate/pipeline/chat"
)

// Outcome is what became of a row, folded from the facts about it. It is the same in whatever order the facts come and
// however often. The zero Outcome: nothing is known, the row is queued.
type Outcome struct {
	Status    chat.Status `json:"status,omitempty"` // of the highest rank that was told; "": Queued
	Error     string      `json:"error,omitempty"`
	List      string      `json:"list,omitempty"`
	Reason    string      `json:"reason,omitempty"`
	MessageID string      `json:"message_id,omitempty"`
	At        int64       `json:"at,omitempty"` // ms since 1970 of that status; 0 here and below: not told

	Sent      int64 `json:"sent,omitempty"` // ms since 1970 at which it was first told to be sent, whatever came after
	Delivered int64 `json:"delivered,omitempty"`
	Read      int64 `json:"read,omitempty"`
	Failed    int64 `json:"failed,omitempty"`
}

// longestText bounds each text of an Outcome, in bytes.
const longestText = 512

// Fold takes a fact in. Of two facts of one rank the later status in the alphabet wins, then the earlier time, then the lesser
// texts. A notice about a message that is still queued changes nothing.
func (o Outcome) Fold(f chat.Fact) Outcome {
	if f.Status.Rank() == 0 {
		return o
	}
	at := max(f.At, 0)
	if first := o.moment(f.Status); first != nil && at > 0 && (*first == 0 || at < *first) {
		*first = at
	}
	if id := text(f.MessageID); id != "" && (o.MessageID == "" || id < o.MessageID) {
		o.MessageID = id
	}
	told := Outcome{Status: f.Status, Error: text(f.Error), List: text(f.List), Reason: text(f.Reason), At: at}
	if o.yields(told) {
		o.Status, o.Error, o.List, o.Reason, o.At = told.Status, told.Error, told.List, told.Reason, told.At
	}
	return o
}

func (o Outcome) yields(to Outcome) bool {
	return cmp.Or(
		cmp.Compare(to.Status.Rank(), o.Status.Rank()), cmp.Compare(to.Status, o.Status), cmp.Compare(o.At, to.At),
		cmp.Compare(o.Error, to.Error), cmp.Compare(o.List, to.List), cmp.Compare(o.Reason, to.Reason),
	) > 0
}

// moment is where the first time of a status stands; nil for one whose time is At alone.
func (o *Outcome) moment(s chat.Status) *int64 {
	switch s {
	case chat.Sent:
		return &o.Sent
	case chat.Delivered:
		return &o.Delivered
	case chat.Read:
		return &o.Read
	case chat.Failed:
		return &o.Failed
	}
	return nil
}

// text makes one bounded line of what others wrote.
func text(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > longestText {
		s = s[:longestText]
	}
	return strings.ToValidUTF8(s, "")
}

// Shown is the status as reports show it.
func (o Outcome) Shown() chat.Status { return cmp.Or(o.Status, chat.Queued) }

// About says whether a fact is about a row of the broadcast.
func (b Broadcast) About(f chat.Fact) bool {
	return f.Account == b.Account && f.Broadcast == b.ID && f.Row >= 1 && f.Row <= b.Audience &&
		f.ID == b.Ref().MessageID(f.Row) && f.Status.Rank() > 0
}

// Count is how many rows of a broadcast share a status, an error and a list. Rows without a fact are in none.
type Count struct {
	Status chat.Status `json:"status"`
	Error  string      `json:"error,omitempty"`
	List   string      `json:"list,omitempty"`
	N      int         `json:"n"`
}

// MaxCounts is how many counts a broadcast may have before errors that come new count as Others.
const MaxCounts = 1000

// Others is what an error counts as where there are too many different ones: Meta's code, and that there are others.
func Others(failure string) string {
	if code, _, _ := strings.Cut(failure, " "); isCode(code) {
		return code + " (others)"
	}
	return "(others)"
}

// Filter chooses rows of a report: those that fit each of its parts. An empty part takes all.
type Filter struct {
	Statuses []chat.Status // Queued among them takes rows without a fact
	Errors   []string      // as they stand in the report, or Meta's codes alone
	Lists    []string
}

// Everything says that all rows fit.
func (f Filter) Everything() bool { return len(f.Statuses)+len(f.Errors)+len(f.Lists) == 0 }

// Fits says whether a row of this status, error and list is chosen.
func (f Filter) Fits(status chat.Status, failure, list string) bool {
	code, _, _ := strings.Cut(failure, " ")
	return (len(f.Statuses) == 0 || slices.Contains(f.Statuses, status)) &&
		(len(f.Errors) == 0 || slices.Contains(f.Errors, failure) || isCode(code) && slices.Contains(f.Errors, code)) &&
		(len(f.Lists) == 0 || slices.Contains(f.Lists, list))
}

func isCode(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// Matching gives how many of an audience fit, of which these are counted and the others are queued.
func (f Filter) Matching(audience int, counts []Count) (n int) {
	queued := audience
	for _, c := range counts {
		queued -= c.N
		if f.Fits(c.Status, c.Error, c.List) {
			n += c.N
		}
	}
	if f.Fits(chat.Queued, "", "") {
		n += max(queued, 0)
	}
	return n
}

// ByStatus sums up counts by status.
func ByStatus(counts []Count) map[chat.Status]int {
	totals := map[chat.Status]int{}
	for _, c := range counts {
		totals[c.Status] += c.N
	}
	return totals
}
