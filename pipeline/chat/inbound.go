package chat

import (
	"encoding/json"
	"time"
)

// Inbound is one item of a webhook, understood. What no field here holds stays in Raw.
type Inbound struct {
	Kind      InboundKind `json:"kind"`
	Platform  string      `json:"platform"`             // whatsapp, messenger, instagram
	Field     string      `json:"field"`                // Meta's field, as messages, standby, user_preferences; messaging or standby on the other platforms
	NumberID  string      `json:"number_id,omitempty"`  // phone_number_id, page id or Instagram account id; "" where the item names none
	MessageID string      `json:"message_id,omitempty"` // wamid or mid
	At        time.Time   `json:"at,omitzero"`          // the item's own time; zero where missing or nonsense

	// Who sent it, or whom it concerns: canonical, in the order phone, BSUID, parent BSUID, without repeats.
	Who []Identifier `json:"who,omitempty"`
	// Given is the first of Who as the webhook showed it, which is how an answer is addressed.
	Given string `json:"given,omitempty"`

	Type  string   `json:"type,omitempty"`  // Meta's type of a message, as text, image, button
	Texts []string `json:"texts,omitempty"` // all that a person typed or pressed and that may be a keyword: text, button text and payload, reply titles, captions, an edit's new text
	// Acts says that a person's words here may change their consent: a message or standby message that is
	// no echo, not forwarded, not out of history, not in a group, not a reaction.
	Acts bool `json:"acts,omitempty"`
	// Opens says that the person wrote or called just now: for 24 h from then on they may be written anything.
	Opens bool `json:"opens_window,omitempty"`

	Receipt    *Receipt    `json:"receipt,omitempty"`
	Preference *Preference `json:"preference,omitempty"`
	Notice     *Notice     `json:"notice,omitempty"`
	// Before is whom an identity change names as the same person's former identifiers.
	Before []Identifier `json:"before,omitempty"`

	Raw json.RawMessage `json:"raw,omitempty"` // Meta's envelope with this one item
}

// InboundKind says what an item is.
type InboundKind string

// The kinds of items.
const (
	KindMessage    InboundKind = "message"
	KindReceipt    InboundKind = "receipt"
	KindPreference InboundKind = "preference"
	KindIdentity   InboundKind = "identity"
	KindNotice     InboundKind = "notice"  // of a number, a business account or a template
	KindUnknown    InboundKind = "unknown" // understood as an envelope, of no kind above; kept and passed on
)

// Receipt is what Meta tells about a message of ours.
type Receipt struct {
	Status   string `json:"status"`             // sent, delivered, read, played, failed, or a word Meta adds later
	Code     int    `json:"code,omitempty"`     // Meta's error code
	Detail   string `json:"detail,omitempty"`   // Meta's error title
	Callback string `json:"callback,omitempty"` // biz_opaque_callback_data: how we find the row it is about
}

// Preference is Meta's own switch for marketing messages.
type Preference struct {
	Category string `json:"category"` // marketing_messages
	Stop     bool   `json:"stop"`     // else resume
}
