package api_test

import (
	"encoding/json"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
)

// A block says 201 once it is in force under every identifier of the person, each of which has a shard of its own.
func TestABlockIsAnsweredOnceEveryLinkedIdentifierIsBarred(t *testing.T) {
	w := newWorld(t, nil)
	w.tie(t, "phone:447700900001", "bsuid:GB.9021")
	w.mu.Lock()
	w.late = 5
	w.mu.Unlock()
	w.call(t, "acme-lists", "POST", "/v1/blacklist", `{"to":"+447700900001","channel":"wa"}`).is(201, "")
	for _, id := range []chat.Identifier{"phone:447700900001", "bsuid:GB.9021"} {
		who, p := key("acme").Pseudonym(id), optout.Person{}
		w.mu.Lock()
		state := w.states[shards.Of(who)][optout.PersonKey("acme", who)]
		w.mu.Unlock()
		if err := json.Unmarshal(state, &p); err != nil || !p.Entry(gate.Blacklist, "wa").Barred() {
			t.Errorf("%s isn't blocked: %s %v", id.Kind(), state, err)
		}
	}
	w.mu.Lock()
	w.late = 1 << 30 // no shard but the first decides anything in time
	w.mu.Unlock()
	w.call(t, "acme-lists", "POST", "/v1/blacklist", `{"to":"GB.9021","channel":"*"}`).is(202, "")
}
