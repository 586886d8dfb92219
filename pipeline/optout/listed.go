package optout

import (
	"time"

	"optgate/pipeline/chat"
)

// Listed is one person on an opt-out list, as pages of it show them.
type Listed struct {
	ID      string          // names the entry in its list, for its removal
	Who     chat.Identifier // the identifier that is opted out
	Channel string          // a channel's id, or "*"
	Source  string          // how it came: message, api, import, …
	Since   time.Time       // when the opt-out took effect, by the message's own time
}
