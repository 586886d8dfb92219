package outbound

import (
	"encoding/json"
	"fmt"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// mark is the value of a record of intents; the key is the message's id, or the mark's own kind. A partition's marks, read
// up to a claim, say all that its new owner must know.
type mark struct {
	V         int      `json:"v"`
	Kind      markKind `json:"kind"`
	Account   string   `json:"account,omitempty"`
	Broadcast string   `json:"broadcast,omitempty"`
	Row       int      `json:"row,omitempty"`
	Attempt   int      `json:"attempt,omitempty"` // 1: the first
	Offset    int64    `json:"offset,omitempty"`  // of the oldest message that is not done, or of the next one

	// Of an intent, and of a message that is done: it reaches, or has perhaps reached, this person outside of a service window.
	Opens     bool           `json:"opens,omitempty"`
	Channel   string         `json:"channel,omitempty"`
	Pseudonym chat.Pseudonym `json:"pseudonym,omitempty"`
}

type markKind string

const (
	markClaim  markKind = "claim"  // from here on a new owner writes
	markIntent markKind = "intent" // the message may be called from now on
	markAgain  markKind = "again"  // that call certainly handed nothing over: there will be another intent
	markDone   markKind = "done"   // the message's fact is in outcomes; nothing happens to it any more
	markCursor markKind = "cursor" // nothing before this offset is open
)

// about makes a mark of a message.
func (k markKind) about(it *item) *stream.Record {
	m := mark{Kind: k, Account: it.Account, Broadcast: it.Broadcast, Row: it.Row}
	if k == markIntent || k == markAgain {
		m.Attempt = it.attempt
	}
	if (k == markIntent || k == markDone) && it.opens {
		m.Opens, m.Channel, m.Pseudonym = true, it.Channel, it.Pseudonym
	}
	return m.record(it.ID)
}

func (m mark) record(key string) *stream.Record {
	m.V = stream.Version
	value, _ := json.Marshal(m) //nolint:errchkjson // strings and numbers can always be written
	return &stream.Record{Key: []byte(key), Value: value}
}

// parseMark reads a record of intents. Only owners write there, so that anything strange is an error.
func parseMark(rec stream.Record) (mark, error) {
	var m mark
	if err := json.Unmarshal(rec.Value, &m); err != nil {
		return m, fmt.Errorf("mark at %d: %w", rec.Offset, err)
	}
	if m.V > stream.Version {
		return m, fmt.Errorf("mark at %d: version %d: %w", rec.Offset, m.V, stream.ErrVersion)
	}
	return m, nil
}
