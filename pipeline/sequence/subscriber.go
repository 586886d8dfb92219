package sequence

import (
	"slices"
	"strings"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

// Standing is where a subscription stands.
type Standing string

// The standings. Stopped is no state: it is what the Waiting of a deleted sequence are shown as.
const (
	Waiting      Standing = "active"
	Done         Standing = "done"
	Unsubscribed Standing = "unsubscribed"
	Stopped      Standing = "stopped"
)

// Subscriber is one person's subscription and what became of its steps: key Ref.SubscriberKey in the sequence's shard.
type Subscriber struct {
	V        int            `json:"v"`
	Account  string         `json:"account"`
	Sequence string         `json:"sequence"`
	P        chat.Pseudonym `json:"p"`
	Person                  // as subscribed last
	Standing Standing       `json:"status"`
	Round    int64          `json:"round"` // tells this subscription from the person's others
	Since    int64          `json:"since"` // ms since 1970
	Ended    int64          `json:"ended,omitempty"`
	From     int64          `json:"from"`           // ms since 1970 from which the delay counts of a next step that has an hour of its own
	Left     int64          `json:"left"`           // ms since 1970 from which the delay of any other next step counts
	Step     int            `json:"step,omitempty"` // number of the next step; 0: none
	Due      int64          `json:"due"`            // ms since 1970 at which something is to be done: the next step, at the end forgetting
	Rows     []Row          `json:"rows,omitempty"` // of all rounds that are kept, in their order
}

// Person is who is subscribed.
type Person struct {
	To     chat.Identifier   `json:"to"`
	Given  string            `json:"given"`          // as the request had it
	Dial   string            `json:"dial,omitempty"` // what Meta is called with, where it isn't To as shown
	Params map[string]string `json:"params,omitempty"`
}

// Row is one step of a report: it stands there from the moment at which the step was decided.
type Row struct {
	Round     int64       `json:"round"`
	Step      int         `json:"step"`
	At        int64       `json:"at"`               // ms since 1970 at which it was decided
	Status    chat.Status `json:"status,omitempty"` // "": Queued
	Error     string      `json:"error,omitempty"`
	List      string      `json:"list,omitempty"`
	Reason    string      `json:"reason,omitempty"`
	MessageID string      `json:"message_id,omitempty"`
	Updated   int64       `json:"updated,omitempty"`
	Sent      int64       `json:"sent,omitempty"`
	Delivered int64       `json:"delivered,omitempty"`
	Read      int64       `json:"read,omitempty"`
	Failed    int64       `json:"failed,omitempty"`
}

// Shown is the row's status as reports have it.
func (r Row) Shown() chat.Status {
	if r.Status == "" {
		return chat.Queued
	}
	return r.Status
}

// take folds a fact into the row; changed says whether it made a difference. The higher rank stands; of two facts of one rank
// the later status in the alphabet, then the earlier time, so that order and repeats make no difference.
func (r *Row) take(f chat.Fact) (changed bool) {
	before := *r
	for at, status := range map[*int64]chat.Status{
		&r.Sent: chat.Sent, &r.Delivered: chat.Delivered, &r.Read: chat.Read, &r.Failed: chat.Failed,
	} {
		if f.Status == status && (*at == 0 || f.At < *at) {
			*at = f.At
		}
	}
	if r.MessageID == "" {
		r.MessageID = f.MessageID
	}
	rank, old := f.Status.Rank(), r.Shown().Rank()
	higher := rank > old || rank == old && (f.Status > r.Status || f.Status == r.Status && f.At < r.Updated)
	if higher {
		r.Status, r.Error, r.List, r.Reason, r.Updated = f.Status, f.Error, f.List, f.Reason, f.At
	}
	return *r != before
}

// had says whether a step was decided in the current round.
func (s Subscriber) had(step int) bool {
	return slices.ContainsFunc(s.Rows, func(r Row) bool { return r.Round == s.Round && r.Step == step })
}

// inLane says that the step before may be in its lane still: the next one waits for what becomes of it, so that neither overtakes
// the other. Where nothing becomes known of it, that ends a minute before the next one would be late.
func (s Subscriber) inLane(now time.Time) bool {
	if s.Standing != Waiting || len(s.Rows) == 0 {
		return false
	}
	last := s.Rows[len(s.Rows)-1]
	return last.Round == s.Round && last.Shown() == chat.Queued && now.UnixMilli()-last.At < (Validity-time.Minute).Milliseconds()
}

// next gives the step that comes to somebody by the order of now: the one after the furthest that the person has had. What was
// put before that one later doesn't come; what was taken out is left out.
func (p Plan) next(s Subscriber) (Step, bool) {
	from := 0
	for i, step := range p.Series {
		if s.had(step.No) {
			from = i + 1
		}
	}
	if from >= len(p.Series) {
		return Step{}, false
	}
	return p.Series[from], true
}

// missing gives the first parameter that a message lacks of somebody, "" for none.
func (s Person) missing(m broadcast.Message) string { return m.Missing(s.Params) }

// dial gives what Meta is called with.
func (s Person) dial() string {
	if s.Dial != "" {
		return s.Dial
	}
	return s.To.Shown()
}

// Place is a subscriber's place in the sequence's list: in the order of subscribing, then of pseudonyms.
func (s Subscriber) Place() string {
	since := strings.Repeat("0", 13) + chat.Pseudonym(max(s.Since, 0)).String()
	return since[len(since)-13:] + "/" + s.P.String()
}
