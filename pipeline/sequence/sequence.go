// Package sequence sends people a series of messages, each a while after the one before: who is subscribed, what comes next
// and when, and what became of it. All of it is state folded from commands; a message leaves as an effect of the very
// decision that notes it, so that nothing is sent which the state doesn't know of. It touches nothing.
package sequence

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

// Limits of sequences.
const (
	MaxSteps       = 50
	MaxName        = 100        // characters
	MaxSubscribers = 1_000_000  // of one sequence, those of the last Kept included
	MaxAtOnce      = 1000       // people in one request
	MaxDelay       = 366 * 1440 // minutes before a step
	MaxBody        = 256 << 10  // bytes of a sequence's JSON: a command holds it

	Validity = 24 * time.Hour      // a step that couldn't be sent within it, from when it was due, is Expired
	Kept     = 28 * 24 * time.Hour // after a subscription's end, or the sequence's: then people and their rows are forgotten

	mostRows = 4 * MaxSteps // of one person, over all rounds; the oldest go
)

// Prefix is what ids of sequences begin with, so that they are never one of a broadcast.
const Prefix = "seq_"

// Status is where a sequence stands.
type Status string

// The statuses. Deleted is for ever: nothing is sent, and Kept later nothing is left.
const (
	Active  Status = "active"
	Paused  Status = "paused"
	Deleted Status = "deleted"
)

// Sequence is the state of a sequence: key Ref.Key in shard Ref.Shard.
type Sequence struct {
	V       int    `json:"v"`
	ID      string `json:"id"`
	Account string `json:"account"`
	Status  Status `json:"status"`
	Version int64  `json:"version"`           // grows with every change of Plan
	Swept   int64  `json:"swept"`             // the version by which all who wait have their times
	Given   int    `json:"numbered"`          // the highest number that a step ever had
	Created int64  `json:"created"`           // ms since 1970
	Changed int64  `json:"changed"`           // ms since 1970
	Resumed int64  `json:"resumed,omitempty"` // ms since 1970: what was due before counts as due then
	Ended   int64  `json:"ended,omitempty"`   // ms since 1970 of its becoming Deleted
	Plan
}

// Plan is what is asked for. All but channel and category may change while it runs.
type Plan struct {
	Name     string      `json:"name"`
	Channel  string      `json:"channel"`
	Category string      `json:"category"`
	Lists    []string    `json:"lists"`
	Quiet    *chat.Quiet `json:"quiet_hours,omitempty"`
	Series   []Step      `json:"steps"`
}

// Step is one message of the series.
type Step struct {
	No       int               `json:"id"` // given once and never again, whatever becomes of the order
	Message  broadcast.Message `json:"message"`
	After    Delay             `json:"after"`
	At       *int              `json:"at,omitempty"`       // minute of the day at which it is sent, once the delay is over
	Zone     string            `json:"zone,omitempty"`     // of At, IANA; "": each recipient's own
	Category string            `json:"category,omitempty"` // "": the sequence's
}

// Delay is how long after subscribing, or after the step before, a step is due. Its parts add up; a day is 24 hours.
type Delay struct {
	Minutes int `json:"minutes,omitempty"`
	Hours   int `json:"hours,omitempty"`
	Days    int `json:"days,omitempty"`
}

// Time is the delay as a duration.
func (d Delay) Time() time.Duration {
	return time.Duration(d.Minutes)*time.Minute + time.Duration(d.Hours)*time.Hour + time.Duration(d.Days)*24*time.Hour
}

// Category gives the category of a step's message.
func (p Plan) category(s Step) string { return cmp.Or(s.Category, p.Category) }

// Step finds a step by its number.
func (p Plan) Step(no int) (Step, bool) {
	at := slices.IndexFunc(p.Series, func(s Step) bool { return s.No == no })
	if at < 0 {
		return Step{}, false
	}
	return p.Series[at], true
}

// Ref names a sequence.
type Ref struct{ Account, ID string }

// Ref gives the sequence's name.
func (q Sequence) Ref() Ref { return Ref{q.Account, q.ID} }

// Tag is the sequence's ETag.
func (q Sequence) Tag() string {
	return strconv.FormatInt(q.Changed, 36) + "." + strconv.FormatInt(q.Version, 36)
}

// Shard gives the shard that owns a sequence, its subscribers and the facts about its messages.
func (r Ref) Shard(n chat.Shards) int { return n.Broadcast(r.Account, r.ID) }

// String is the name as keys hold it.
func (r Ref) String() string { return r.Account + "/" + r.ID }

// ParseRef reads what String wrote.
func ParseRef(text string) (Ref, bool) {
	account, id, ok := strings.Cut(text, "/")
	return Ref{account, id}, ok && account != "" && id != "" && !strings.Contains(id, "/")
}

// Key is the key of a sequence's state, SumsKey that of its Sums, SubscriberKey that of one person's Subscriber.
func (r Ref) Key() string { return "sequence/" + r.String() }

// SumsKey is the key of the sequence's Sums.
func (r Ref) SumsKey() string { return "sequencesums/" + r.String() }

// SubscriberKey is the key of a person's Subscriber.
func (r Ref) SubscriberKey(p chat.Pseudonym) string {
	return "subscriber/" + r.String() + "/" + p.String()
}

// MessageID is the id of a step's message to somebody. The round is that of the subscription, so that who subscribes anew
// gets all steps anew.
func (r Ref) MessageID(p chat.Pseudonym, round int64, step int) string {
	return r.ID + "." + p.String() + "." + strconv.FormatInt(round, 10) + "." + strconv.Itoa(step)
}

// parseMessageID reads what MessageID wrote.
func (r Ref) parseMessageID(id string) (p chat.Pseudonym, round int64, step int, ok bool) {
	rest, ours := strings.CutPrefix(id, r.ID+".")
	parts := strings.Split(rest, ".")
	if !ours || len(parts) != 3 {
		return 0, 0, 0, false
	}
	who, err1 := strconv.ParseInt(parts[0], 10, 64)
	round, err2 := strconv.ParseInt(parts[1], 10, 64)
	step, err3 := strconv.Atoi(parts[2])
	return chat.Pseudonym(who), round, step, err1 == nil && err2 == nil && err3 == nil && who >= 0
}
