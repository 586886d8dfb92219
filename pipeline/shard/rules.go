package shard

import (
	"maps"

	"optgate/pipeline/chat"
)

// Rules is all that the shards decide by: a Fold for each kind of command.
type Rules map[string]Fold

// Join gives the rules of several rooms as one; each kind of command belongs to one room.
func Join(rooms ...Rules) Rules {
	all := Rules{}
	for _, rules := range rooms {
		maps.Copy(all, rules)
	}
	return all
}

// Fold decides one kind of command.
type Fold struct {
	// Keys names every state of this shard that Apply may read or write. It sees no state.
	Keys func(p Place, c Command) ([]string, error)
	// Apply is pure: it sees the states, the command and its place, and no clock, chance or other shard. An error
	// means that the command can't be understood: it goes to dead, and nothing that Apply said takes effect.
	Apply func(t *Turn, c Command) error
}

// Place is where a command stands.
type Place struct {
	Shards chat.Shards
	Shard  int
	Offset int64
}

// CursorKey is the key of the owner's own state: where it stands in commands and consent.
const CursorKey = "cursor"

// InstallationKey is the key of the first record of each partition of state: whose it is, and of how many shards.
const InstallationKey = "installation"

// Cursor is the owner's place, written with every decision.
type Cursor struct {
	V       int    `json:"v"`
	Command int64  `json:"command"` // offset of the next command
	Ledger  int64  `json:"ledger"`  // all rows before this offset of consent are this cursor's decisions or older
	Chain   string `json:"chain"`   // over those rows; "" where the last decision was made before there were chains
}

// AnswerKey is the state that holds what was said to a command, for 24 h.
func AnswerKey(command string) string { return "answer/" + command }

// Answer is what a fold says to whoever made the command.
type Answer struct {
	V     int    `json:"v"`
	OK    bool   `json:"ok"`
	Code  string `json:"code,omitempty"` // a fault's code where not OK
	Msg   string `json:"msg,omitempty"`
	Value any    `json:"value,omitempty"`
	Made  int64  `json:"made"` // of the command
}
