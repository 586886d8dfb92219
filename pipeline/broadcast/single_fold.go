package broadcast

import (
	"time"

	"optgate/pipeline/chat"
)

// SinglesKept is how long what became of a message by itself is shown, from its creation.
const SinglesKept = 7 * 24 * time.Hour

// singlePrefix begins the ids of messages by themselves, and of nothing else whose facts name no broadcast.
const singlePrefix = "m."

// SingleOutcome is what is known of a message by itself, folded from its facts. Without Created, the first fact of it has not
// come yet, or came long ago: nobody is shown it.
type SingleOutcome struct {
	Outcome

	To       chat.Identifier
	Channel  string
	Category string
	Created  int64 // ms since 1970; 0: not known
}

// Fold takes a fact in; see Outcome's. Order and repeats make no difference.
func (s SingleOutcome) Fold(f chat.Fact) SingleOutcome {
	s.Outcome = s.Outcome.Fold(f)
	if at := max(f.At, 1); f.Status == chat.Queued && f.To != "" && (s.Created == 0 || at < s.Created) {
		s.To, s.Channel, s.Category, s.Created = f.To, f.Channel, f.Category, at
	}
	return s
}

// Updated is when its status was told, in ms since 1970.
func (s SingleOutcome) Updated() int64 {
	if s.Status == "" {
		return s.Created
	}
	return s.At
}
