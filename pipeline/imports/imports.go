// Package imports files the people of a CSV file on an opt-out list: it reads rows, cuts them into parts that each concern one
// shard, publishes these no faster than they are decided, and folds what became of them. An import only adds opt-outs.
package imports

import (
	"strconv"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/csvfile"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// Status is how far an import has come.
type Status string

// The statuses. Finished means that every opt-out it brought is in force.
const (
	Running  Status = "running"
	Finished Status = "finished"
	Failed   Status = "failed"
)

// Codes of what an import failed by. What it had filed until then stays filed.
const (
	CodeBrokenOff  = "broken_off"             // whoever read the file is gone, or couldn't go on; the file can be sent again
	CodeMixed      = "mixed_files"            // two files were sent under one Idempotency-Key at once
	CodeRefused    = "too_many_refused"       // more rows were refused than are kept
	CodeTooLarge   = "too_large"              // the file is over the limits
	CodeIncomplete = "incomplete"             // parts of it could not be decided, and are dead letters
	CodeKeyReused  = "idempotency_key_reused" // the Idempotency-Key belongs to another import; an answer's alone
)

const (
	// Silence is how long an import that runs may be silent before it counts as broken off; whoever reads a file says so
	// every few seconds.
	Silence = 2 * time.Minute
	// Kept is how long an import that has ended can be looked at.
	Kept = 30 * 24 * time.Hour
	// MaxRows bounds the entries of one file.
	MaxRows = 10_000_000
	// MaxRefused bounds those of them that are refused: each is kept.
	MaxRefused = 1_000_000
)

// Import is the state of an import: "import/<account>/<id>" in chat.Shards.Import. It holds neither a name nor a number.
type Import struct {
	V        int      `json:"v"`
	ID       string   `json:"id"`
	Account  string   `json:"account"`
	Terms    Terms    `json:"terms"`
	Token    string   `json:"token,omitempty"`   // the name of the one by which it was made
	Ignored  []string `json:"ignored,omitempty"` // columns that say nothing to us
	Made     int64    `json:"made"`              // ms since 1970 at which it first began; rows without a time carry it
	Attempt  string   `json:"attempt"`           // whoever reads the file now, or read it last
	Heard    int64    `json:"heard"`             // when it was last heard of
	Ended    int64    `json:"ended,omitempty"`
	Status   Status   `json:"status"`
	Code     string   `json:"code,omitempty"` // of what it failed by
	Line     int      `json:"line"`           // of the file, to which it has come
	Added    int      `json:"added"`          // entries that opted out
	Known    int      `json:"known"`          // were out before
	Stayed   int      `json:"stayed"`         // stay in: they opted in later than the file says that they opted out
	Refused  int      `json:"refused"`
	Pages    int      `json:"pages"`           // of refused rows
	Counted  int      `json:"counted"`         // parts
	High     int      `json:"high"`            // one more than the highest number of a part counted
	Parts    int      `json:"parts,omitempty"` // in all; known at the end
	AllPages int      `json:"all_pages,omitempty"`
}

// Terms are what an import does with each row besides what stands there. The same Idempotency-Key means the same terms.
type Terms struct {
	List    string `json:"list"`
	Channel string `json:"channel,omitempty"` // of rows that name none
	Country string `json:"country,omitempty"` // of phones without a country code, instead of their channel's
	Feed    bool   `json:"feed"`              // the list's webhook URL is told
}

// Read is the number of entries of which it is known what became of them.
func (i Import) Read() int { return i.Added + i.Known + i.Stayed + i.Refused }

// Ref names an import.
type Ref struct{ Account, ID string }

// Ref gives the import's own.
func (i Import) Ref() Ref { return Ref{i.Account, i.ID} }

// Shard is where its states lie.
func (r Ref) Shard(n chat.Shards) int { return n.Import(r.Account, r.ID) }

// Key is the key of its state.
func (r Ref) Key() string { return "import/" + r.Account + "/" + r.ID }

// PageKey is the key of a page of its refused rows, from 0.
func (r Ref) PageKey(n int) string {
	return "imported/" + r.Account + "/" + r.ID + "/refused/" + strconv.Itoa(n)
}

// PartsKey is the key of what is known of partsPerPage parts.
func (r Ref) PartsKey(n int) string {
	return "imported/" + r.Account + "/" + r.ID + "/parts/" + strconv.Itoa(n)
}

// partsPerPage keeps small what is written anew for each part.
const partsPerPage = 128

// parts is the state of some parts: their number in the page → what is known of them.
type parts struct {
	V    int          `json:"v"`
	Told map[int]told `json:"told"`
}

// told is a part that was counted.
type told struct {
	Digest string `json:"d"`
	Offset int64  `json:"o"` // of its command, in the shard of its people
}

// RefusedPerPage is how many rows a page of refused rows holds at most. All but the last are full.
const RefusedPerPage = 1000

// Page is the state of a page of refused rows. Few reasons are given often, so that each stands in it once.
type Page struct {
	V       int      `json:"v"`
	Reasons []string `json:"reasons"`
	Rows    [][2]int `json:"rows"` // line, and which of the reasons
}

// NewPage packs refused rows.
func NewPage(rows []csvfile.Refusal) Page {
	p := Page{V: stream.Version, Rows: make([][2]int, len(rows))}
	at := map[string]int{}
	for i, r := range rows {
		n, known := at[r.Reason]
		if !known {
			n = len(p.Reasons)
			at[r.Reason], p.Reasons = n, append(p.Reasons, r.Reason)
		}
		p.Rows[i] = [2]int{r.Line, n}
	}
	return p
}

// Refusals gives the rows of a page.
func (p Page) Refusals() []csvfile.Refusal {
	rows := make([]csvfile.Refusal, 0, len(p.Rows))
	for _, r := range p.Rows {
		if r[1] >= 0 && r[1] < len(p.Reasons) {
			rows = append(rows, csvfile.Refusal{Line: r[0], Reason: p.Reasons[r[1]]})
		}
	}
	return rows
}

// ID derives an import's id from the Idempotency-Key it came with.
func ID(key chat.Key, given string) string { return key.Message("import:" + given) }

// mark is the opt-out that a row says.
func (t Terms) mark(channel string, at int64, id string, feed bool) optout.Mark {
	return optout.Mark{List: t.List, Channel: channel, At: at, Source: optout.SourceImport, Rule: id, Feed: feed}
}
