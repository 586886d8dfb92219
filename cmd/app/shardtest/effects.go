package shardtest

import (
	"encoding/json"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// effects are confirmations and travels by their ids, and where they stand.
type effects struct {
	confirmations map[string]map[int]bool
	travels       map[string]bool
}

func newEffects() *effects {
	return &effects{confirmations: map[string]map[int]bool{}, travels: map[string]bool{}}
}

func (e *effects) note(r stream.Record) {
	switch r.Topic {
	case stream.OutboundReplies:
		var m chat.Outbound
		if json.Unmarshal(r.Value, &m) == nil {
			if e.confirmations[m.ID] == nil {
				e.confirmations[m.ID] = map[int]bool{}
			}
			e.confirmations[m.ID][r.Partition] = true
		}
	case stream.Commands:
		var c shard.Command
		if json.Unmarshal(r.Value, &c) == nil && c.Kind == optout.CommandTravel {
			e.travels[c.ID] = true
		}
	}
}

func (e *effects) compare(got *effects, f *Findings) {
	ids := map[string]bool{}
	for id := range e.confirmations {
		ids[id] = true
	}
	for id := range got.confirmations {
		ids[id] = true
	}
	for id := range ids {
		if len(e.confirmations[id]) == 0 || len(got.confirmations[id]) != 1 {
			f.Confirmations++
		}
	}
	for id := range e.travels {
		if !got.travels[id] {
			f.Travels++
		}
	}
}
