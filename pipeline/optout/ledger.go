package optout

import (
	"context"
	"fmt"

	"optgate/pipeline/chat"
)

// Row is one row of the ledger, topic consent: an entry changed from in to out or back. It names nobody in clear, and it
// is kept for ever.
type Row struct {
	V         int             `json:"v"`
	Account   string          `json:"account"`
	Pseudonym chat.Pseudonym  `json:"pseudonym"`
	List      string          `json:"list"`
	Channel   string          `json:"channel"` // or "*"
	From      string          `json:"from"`    // StandingIn or StandingOut
	To        string          `json:"to"`
	Time      int64           `json:"time"` // ms since 1970 of what was said, not of when it was decided
	Source    string          `json:"source"`
	Rule      string          `json:"rule,omitempty"`
	Cause     int64           `json:"cause"`             // offset in this shard's commands
	Root      string          `json:"root"`              // id of the command that somebody made
	Via       *chat.Pseudonym `json:"via,omitempty"`     // of the linked identifier it came from
	Message   string          `json:"message,omitempty"` // keyed hash of the message's id
	Prev      int64           `json:"prev"`              // offset of this entry's row before; NoRow
}

// Concerns gives whose row it is and the time of what was said.
func (r Row) Concerns() (account string, at int64) { return r.Account, r.Time }

// What an entry says of a person.
const (
	StandingIn  = "in"
	StandingOut = "out"
)

func standing(barred bool) string {
	if barred {
		return StandingOut
	}
	return StandingIn
}

// longestChain bounds how many rows of one entry are read back.
const longestChain = 100

// Chain reads an entry's rows back from its last one, the newest first, at most 100. read gives the row at an offset of
// the shard's ledger. A chain that leads to another entry's row, or forwards, is an error.
func Chain(ctx context.Context, p chat.Pseudonym, e Entry, read func(ctx context.Context, offset int64) (Row, error)) ([]Row, error) {
	var rows []Row
	for at := e.Row; at != NoRow && len(rows) < longestChain; {
		row, err := read(ctx, at)
		if err != nil {
			return nil, fmt.Errorf("ledger row %d: %w", at, err)
		}
		if row.Pseudonym != p || row.List != e.List || row.Channel != e.Channel || row.Prev >= at {
			return nil, fmt.Errorf("ledger row %d belongs to another entry", at)
		}
		rows = append(rows, row)
		at = row.Prev
	}
	return rows, nil
}
