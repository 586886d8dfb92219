package channel

import (
	"time"

	"optgate/pipeline/chat"
)

// Window is how long after their last message or call a person may be written anything, outside of every tier.
const Window = 24 * time.Hour

// Contact says that a person, under one of their identifiers, wrote or called by a channel.
type Contact struct {
	Account   string
	Channel   string
	ID        chat.Identifier
	Pseudonym chat.Pseudonym
	At        int64 // ms since 1970
}
