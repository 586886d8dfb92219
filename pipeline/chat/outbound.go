package chat

import (
	"encoding/json"
	"strconv"
	"strings"

	"optgate/pipeline/stream"
)

// Outbound is one message to send: the value of a record of outbound.replies and outbound.bulk.
type Outbound struct {
	V         int             `json:"v"`
	ID        string          `json:"id"` // names the message for ever; a repeated id is sent once
	Account   string          `json:"account"`
	Channel   string          `json:"channel"`
	To        Identifier      `json:"to"`
	Given     string          `json:"given"`     // as shown or given: Meta is called with it, a phone as "+" and its digits
	Pseudonym Pseudonym       `json:"pseudonym"` // of To, for the gate
	Kind      OutboundKind    `json:"kind"`
	Category  string          `json:"category"`             // marketing, utility, authentication, service
	Lists     []string        `json:"lists,omitempty"`      // whose entries bar it, besides those that its category brings
	Message   json.RawMessage `json:"message"`              // the Cloud API's object: type and what belongs to it
	NotBefore int64           `json:"not_before,omitempty"` // ms since 1970
	Until     int64           `json:"valid_until"`          // ms since 1970; after it the message is Expired
	Broadcast string          `json:"broadcast,omitempty"`
	Row       int             `json:"row,omitempty"`         // row of the broadcast
	Quiet     *Quiet          `json:"quiet_hours,omitempty"` // in which it waits
}

// OutboundKind says why a message is sent, which decides what may bar it.
type OutboundKind string

// The kinds of messages.
const (
	KindConfirmation OutboundKind = "confirmation" // of an opt-out or opt-in: no list bars it
	KindBroadcast    OutboundKind = "broadcast"
	KindSingle       OutboundKind = "single"
	KindSequence     OutboundKind = "sequence"
)

// Categories of messages.
const (
	Marketing      = "marketing"
	Utility        = "utility"
	Authentication = "authentication"
	Service        = "service"
)

// Lane gives a message's partition among the outbound ones: all to one person by one channel go through one.
func (m Outbound) Lane(n Shards) int { return stream.Spread(m.Key(), n.Lanes()) }

// Key is the record's key: account, channel and person.
func (m Outbound) Key() string { return m.Account + "/" + m.Channel + "/" + m.Pseudonym.String() }

// Fact is one thing that became known of a message: the value of a record of outcomes. Facts fold by rank, so that order
// and repeats do not matter.
type Fact struct {
	V         int    `json:"v"`
	ID        string `json:"id"` // of the message
	Account   string `json:"account"`
	Broadcast string `json:"broadcast,omitempty"`
	Row       int    `json:"row"`
	Status    Status `json:"status"`
	Error     string `json:"error,omitempty"`
	List      string `json:"list,omitempty"`   // that barred it
	Reason    string `json:"reason,omitempty"` // since when and by what, in words
	MessageID string `json:"message_id,omitempty"`
	At        int64  `json:"at"` // ms since 1970

	Code      int       `json:"code,omitempty"`      // Meta's error code
	Channel   string    `json:"channel,omitempty"`   // that it was sent by
	Pseudonym Pseudonym `json:"pseudonym,omitempty"` // whom it went to
	Opens     bool      `json:"opens,omitempty"`     // it reached somebody outside a service window: it counts towards the number of people that Meta allows in 24 h

	// Of the fact that a message by itself is Queued, alone: what it was asked to be.
	To       Identifier `json:"to,omitempty"`
	Category string     `json:"category,omitempty"`
}

// Outcomes gives the partition of outcomes, which is also a shard, that holds the facts about a message: those of a broadcast
// together, those of a message by itself by its id.
func (n Shards) Outcomes(account, broadcast, id string) int {
	if broadcast == "" {
		return n.Broadcast(account, id)
	}
	return n.Broadcast(account, broadcast)
}

// Headers gives the headers of the fact's record. Facts of several statuses about one message are several events.
func (f Fact) Headers() []stream.Header {
	return stream.CloudEvent(stream.TypeOutcome, f.Account, f.ID+"/"+string(f.Status), f.At)
}

// Status is what became of a message, as reports show it.
type Status string

// The statuses. Queued is what is known of a row without a fact; of a message by itself it is a fact.
const (
	Queued    Status = "Queued"
	Unknown   Status = "Unknown" // handed to Meta or not: a crash hides it
	Cancelled Status = "Cancelled"
	Expired   Status = "Expired"
	Skipped   Status = "Skipped"
	Sent      Status = "Sent"
	Failed    Status = "Failed"
	Delivered Status = "Delivered"
	Read      Status = "Read"
)

// Rank orders statuses: a row shows the highest it was told. A failure gives way to a delivery, never to a mere Sent.
func (s Status) Rank() int {
	switch s {
	case Queued:
		return 0
	case Unknown:
		return 1
	case Cancelled, Expired, Skipped:
		return 2
	case Sent:
		return 3
	case Failed:
		return 4
	case Delivered:
		return 5
	case Read:
		return 6
	}
	return 0
}

// Callback is what Meta gives back in every receipt of a message (biz_opaque_callback_data, at most 512 characters):
// enough to find its row, nothing personal. Account and broadcast ids hold no slash.
func (m Outbound) Callback() string {
	return strings.Join([]string{m.Account, m.Broadcast, strconv.Itoa(m.Row), m.ID}, "/")
}

// ParseCallback reads what Callback wrote; ok is false for anything else.
func ParseCallback(text string) (account, broadcast string, row int, id string, ok bool) {
	parts := strings.SplitN(text, "/", 4)
	if len(parts) != 4 || parts[0] == "" || parts[3] == "" {
		return "", "", 0, "", false
	}
	row, err := strconv.Atoi(parts[2])
	return parts[0], parts[1], row, parts[3], err == nil && row >= 0
}
