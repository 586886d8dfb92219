package optout

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// Event is the value of a record of events that tells of a change of consent. Its id is the same in every repeat, and another
// for each change: one root may bar the same entry twice, the second time by a newer stop that its own link brought along.
type Event struct {
	V          int             `json:"v"`
	ID         string          `json:"id"`
	Kind       string          `json:"kind"` // EventOptout or EventOptin
	Account    string          `json:"account"`
	Pseudonym  chat.Pseudonym  `json:"pseudonym"`
	Identifier chat.Identifier `json:"identifier,omitempty"` // "" where only a link led here
	List       string          `json:"list"`
	Channel    string          `json:"channel"` // or "*"
	At         int64           `json:"at"`      // ms since 1970
	Source     string          `json:"source"`
	Rule       string          `json:"rule,omitempty"`
	Root       string          `json:"root"`
	Shard      int             `json:"shard"`
	Row        int64           `json:"row"` // offset in the shard's ledger
}

// The kinds of events of consent.
const (
	EventOptout = "optout"
	EventOptin  = "optin"
)

// tell makes the event of a change.
func (w *word) tell(id chat.Identifier, at int64, row Row) error {
	e := Event{
		V: stream.Version, Kind: EventOptin, Account: row.Account, Pseudonym: row.Pseudonym, Identifier: id,
		List: row.List, Channel: row.Channel, At: row.Time, Source: row.Source, Rule: row.Rule, Root: row.Root,
		Shard: w.turn.Shard, Row: at,
	}
	kind := stream.TypeOptin
	if row.To == StandingOut {
		e.Kind, kind = EventOptout, stream.TypeOptout
	}
	e.ID = strings.Join([]string{w.root.ID, row.Pseudonym.String(), row.List, row.Channel, e.Kind, strconv.FormatInt(row.Time, 10)}, "/")
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	w.turn.Send(&stream.Record{
		Topic: stream.Events, Partition: stream.AnyPartition,
		Key: []byte(row.Account + "/" + row.Pseudonym.String()), Value: value,
		Headers: stream.CloudEvent(kind, e.Account, e.ID, e.At),
	})
	return nil
}

const (
	confirmAfter = 2_000          // ms: the confirmation is the last thing that the person gets
	confirmUntil = 24 * 3_600_000 // ms
	longestBody  = 4096           // code points of a text message at Meta
)

// confirm sends the person who typed the texts of the lists that changed, as one message.
func (w *word) confirm(ref Ref, changed []Mark) error {
	c := w.root.Confirm
	if c == nil || len(w.root.Shown) == 0 || !w.shows(ref) {
		return nil
	}
	body := c.body(changed)
	if body == "" {
		return nil
	}
	message, err := json.Marshal(textMessage{Text: text{Body: body}, Type: "text"})
	if err != nil {
		return fmt.Errorf("confirmation: %w", err)
	}
	to := w.root.Shown[0]
	out := chat.Outbound{
		V: stream.Version, ID: ConfirmationID(w.root.ID), Account: w.command.Account, Channel: c.Channel,
		To: to.ID, Given: c.Given, Pseudonym: to.P, Kind: chat.KindConfirmation, Category: chat.Service, Message: message,
		NotBefore: w.command.Made + confirmAfter, Until: w.command.Made + confirmUntil,
	}
	value, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("confirmation: %w", err)
	}
	w.turn.Send(&stream.Record{
		Topic: stream.OutboundReplies, Partition: out.Lane(w.turn.Shards), Key: []byte(out.Key()), Value: value,
	})
	return nil
}

// ConfirmationID is the id of the message that a command's change may cause, whichever shard sends it.
func ConfirmationID(root string) string { return "c/" + root }

// textMessage is Meta's form of a text.
type textMessage struct {
	Text text   `json:"text"`
	Type string `json:"type"`
}

type text struct {
	Body string `json:"body"`
}

func (w *word) shows(ref Ref) bool {
	return named(w.root.Shown, ref.P)
}

// body joins the texts of the lists that changed, in their order, a blank line between, as far as one message holds them.
func (c Confirm) body(changed []Mark) string {
	var body string
	for _, text := range c.Texts {
		for _, m := range changed {
			if m.List != text.List || text.Body == "" {
				continue
			}
			next := text.Body
			if body != "" {
				next = body + "\n\n" + text.Body
			}
			if utf8.RuneCountInString(next) <= longestBody {
				body = next
			}
			break
		}
	}
	return body
}
