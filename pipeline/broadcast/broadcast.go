// Package broadcast sends one message to many people: it plans who gets it, decides what a broadcast may become, and
// hands pages of it to the lanes as long as these have room. It touches nothing: doors bring requests, answers and facts.
package broadcast

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/csvfile"
	"optgate/pipeline/segment"
)

// Limits of one broadcast.
const (
	MaxRequest    = 16 << 20       // bytes of a request with inline recipients
	MaxRecipients = 10_000         // inline
	DefaultEnd    = 24 * time.Hour // after planning: what is not sent by then is Expired
	MaxEnd        = 60 * time.Hour // the latest end, which lies well within the retention of the lanes
	Kept          = 24 * time.Hour // after its end: then the broadcast and its pages are forgotten

	pageRows  = 500       // recipients of a page
	pageBytes = 256 << 10 // of a page's JSON
)

// Status is where a broadcast stands.
type Status string

// The statuses. Collecting is shown to nobody: its pages have begun to arrive and it doesn't exist yet.
const (
	Collecting Status = "collecting"
	Planned    Status = "planned"
	Running    Status = "running"
	Paused     Status = "paused"
	Finished   Status = "finished"
	Cancelled  Status = "cancelled"
)

// Over says that nothing is sent any more.
func (s Status) Over() bool { return s == Finished || s == Cancelled }

// Broadcast is the state of a broadcast: key Ref.Key in shard Ref.Shard.
type Broadcast struct {
	V       int    `json:"v"`
	ID      string `json:"id"`
	Account string `json:"account"`
	Status  Status `json:"status"`
	Digest  string `json:"digest"`            // keyed hash of the request, so that an Idempotency-Key belongs to one request
	Arrived []int  `json:"arrived,omitempty"` // pages, while Collecting
	Created int64  `json:"created"`           // ms since 1970
	Ended   int64  `json:"ended,omitempty"`   // ms since 1970 of its becoming Finished or Cancelled
	Pause   *Pause `json:"pause,omitempty"`   // why it is Paused; nil where it isn't
	Reason  string `json:"reason,omitempty"`  // why it was Cancelled, if somebody said so
	Started int64  `json:"started,omitempty"` // ms since 1970 since which it has been sending; 0: not yet
	Resumed int64  `json:"resumed,omitempty"` // ms since 1970 at which somebody last let it go on
	Moves   int    `json:"moves,omitempty"`   // how often its status has changed since it was made
	Frozen  Frozen `json:"frozen,omitzero"`   // what has arrived of its segment's people, while it is Planned
	Plan

	Archived *Archived `json:"archived,omitempty"` // where its rows stand once they have left the state
}

// Pause says why a broadcast is paused.
type Pause struct {
	Code   string `json:"code"`   // PauseAsked, or what the gateway found by itself
	Reason string `json:"reason"` // one sentence for people
	At     int64  `json:"at"`     // ms since 1970
}

// PauseAsked is the code of a pause that somebody asked for.
const PauseAsked = "asked"

// Plan is what was asked for. It never changes.
type Plan struct {
	Channel    string   `json:"channel,omitempty"`
	Category   string   `json:"category,omitempty"`
	Lists      []string `json:"lists,omitempty"`   // as chosen by its sender
	Message    Message  `json:"message,omitzero"`  // the Cloud API's object, with its placeholders
	EndsAt     int64    `json:"ends_at,omitempty"` // ms since 1970
	Audience   int      `json:"audience,omitempty"`
	Duplicates int      `json:"duplicates,omitempty"`
	Pages      []int    `json:"pages,omitempty"` // number of rows in each page; a broadcast being forgotten has lost its last ones
	Outcomes   int64    `json:"outcomes"`        // offset in its partition of outcomes before any fact about it; noted anew when it begins

	Source     Source      `json:"source,omitzero"`               // of its rows
	StartsAt   int64       `json:"starts_at,omitempty"`           // ms since 1970 before which nothing is sent
	Quiet      *chat.Quiet `json:"quiet_hours,omitempty"`         // in which nothing is sent; nil: none
	Rate       float64     `json:"messages_per_second,omitempty"` // pacing: at most so many, however fast the number is; 0: as the number
	Priority   bool        `json:"priority,omitempty"`            // goes by the lane of replies; never of marketing
	WebhookURL string      `json:"webhook_url,omitempty"`         // told of its status
}

// Source says where a broadcast's rows come from. The zero Source: they came with the request.
type Source struct {
	Upload  string           `json:"upload,omitempty"`  // id of the audience whose pages hold the rows
	Segment *segment.Segment `json:"segment,omitempty"` // as it was when the broadcast was made; evaluated when it starts
}

// Rows names whose pages hold the rows: the audience that was uploaded, else the broadcast itself. Their keys and their shard
// are those of that Ref.
func (b Broadcast) Rows() Ref {
	if b.Source.Upload != "" {
		return Ref{b.Account, b.Source.Upload}
	}
	return b.Ref()
}

// Ref names a broadcast.
type Ref struct{ Account, ID string }

// Ref gives the broadcast's name.
func (b Broadcast) Ref() Ref { return Ref{b.Account, b.ID} }

// Shard gives the shard that owns a broadcast, which is also its partition of outcomes.
func (r Ref) Shard(n chat.Shards) int { return n.Broadcast(r.Account, r.ID) }

// String is the name as keys hold it: account and id, neither of which holds a slash.
func (r Ref) String() string { return r.Account + "/" + r.ID }

// ParseRef reads what String wrote.
func ParseRef(text string) (Ref, bool) {
	account, id, ok := strings.Cut(text, "/")
	return Ref{account, id}, ok && account != "" && id != ""
}

// Key is the key of a broadcast's state.
func (r Ref) Key() string { return "broadcast/" + r.String() }

// PageKey is the key of a page's state.
func (r Ref) PageKey(page int) string { return "page/" + r.String() + "/" + strconv.Itoa(page) }

// Page is the state of one page: its rows in their order.
type Page struct {
	V       int      `json:"v"`
	Rows    []Row    `json:"rows"`
	Repeats []Repeat `json:"repeats,omitempty"` // of recipients that came again: counted, listed and not sent

	Refused []csvfile.Refusal `json:"refused,omitempty"` // lines of an uploaded file between these rows that can't be read as one
}

// Repeat is a recipient that is listed again.
type Repeat struct {
	Line  int    `json:"line"` // of what was given
	Given string `json:"given"`
	Of    int    `json:"of"` // the row that stands for it

	First int             `json:"first,omitempty"` // line of that row; 0: as Of
	To    chat.Identifier `json:"to,omitempty"`    // whom both name
}

// Row is one recipient.
type Row struct {
	N         int               `json:"n"` // number in the broadcast, from 1
	To        chat.Identifier   `json:"to,omitempty"`
	Pseudonym chat.Pseudonym    `json:"p,omitempty"`
	Given     string            `json:"given"`             // as the request had it
	Dial      string            `json:"dial,omitempty"`    // what Meta is called with, where it isn't To as shown
	Params    map[string]string `json:"params,omitempty"`  // those that the message needs
	Error     string            `json:"error,omitempty"`   // why nothing can be sent to it: known at planning
	Line      int               `json:"line,omitempty"`    // of what was given, from 1; 0: N
	Message   json.RawMessage   `json:"message,omitempty"` // of its own, where it isn't the broadcast's: parameters are filled in already
}

// MessageID is the id of a row's message, the same whoever publishes it and however often.
func (r Ref) MessageID(row int) string { return r.ID + "." + strconv.Itoa(row) }

// Errors of rows that fail at planning.
const (
	InvalidNumber    = "Invalid Number"
	MissingParameter = "Missing Parameter: " // and its name
)

// Totals counts a broadcast's recipients: each in one of the statuses, which add up to Audience.
type Totals struct {
	Audience   int `json:"audience"`
	Duplicates int `json:"duplicates"`
	Queued     int `json:"queued"`
	Skipped    int `json:"skipped"`
	Sent       int `json:"sent"`
	Delivered  int `json:"delivered"`
	Read       int `json:"read"`
	Failed     int `json:"failed"`
	Unknown    int `json:"unknown"`
	Cancelled  int `json:"cancelled"`
	Expired    int `json:"expired"`
}

// Totals sums up a broadcast from the number of its rows in each status; rows without a fact are Queued.
func (b Broadcast) Totals(rows map[chat.Status]int) Totals {
	t := Totals{
		Audience: b.Audience, Duplicates: b.Duplicates,
		Skipped: rows[chat.Skipped], Sent: rows[chat.Sent], Delivered: rows[chat.Delivered], Read: rows[chat.Read],
		Failed: rows[chat.Failed], Unknown: rows[chat.Unknown], Cancelled: rows[chat.Cancelled], Expired: rows[chat.Expired],
	}
	t.Queued = t.Audience - t.Skipped - t.Sent - t.Delivered - t.Read - t.Failed - t.Unknown - t.Cancelled - t.Expired
	return t
}

// Find gives the page that a row stands in, and the number of that page's first row. Rows are numbered from 1.
func (p Plan) Find(row int) (page, first int) {
	first = 1
	for page, n := range p.Pages {
		if row < first+n {
			return page, first
		}
		first += n
	}
	return len(p.Pages), first
}
