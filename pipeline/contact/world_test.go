package contact_test

import (
	"encoding/json"
	"maps"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/contact"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

var key = chat.Key("0123456789abcdef")

func ref(id chat.Identifier) optout.Ref { return optout.Ref{ID: id, P: key.Pseudonym(id)} }

const ada = chat.Identifier("phone:447700900001")

// world is one shard in memory.
type world struct {
	t      *testing.T
	states map[string][]byte
	offset int64
}

func newWorld(t *testing.T) *world { return &world{t: t, states: map[string][]byte{}} }

// fold decides a command and gives its answer.
func (w *world) fold(c shard.Command) (answer shard.Answer) {
	w.t.Helper()
	w.offset++
	rule, place := contact.Rules()[c.Kind], shard.Place{Shards: 1, Offset: w.offset}
	keys, err := rule.Keys(place, c)
	if err != nil {
		w.t.Fatal(err)
	}
	loaded := map[string][]byte{}
	for _, k := range keys {
		loaded[k] = w.states[k]
	}
	turn := shard.NewTurn(place, loaded, nil)
	if err := rule.Apply(turn, c); err != nil {
		w.t.Fatal(err)
	}
	changed, _, _ := turn.Said()
	maps.Copy(w.states, changed)
	if err := json.Unmarshal(w.states[shard.AnswerKey(c.ID)], &answer); err != nil {
		w.t.Fatal(err)
	}
	return answer
}

// edit decides an edit and gives what became of each contact.
func (w *world) edit(id string, made int64, edits ...contact.One) []contact.Result {
	w.t.Helper()
	r, err := contact.Edit{Edits: edits, Show: true}.Record(1, id, "acme", made)
	if err != nil {
		w.t.Fatal(err)
	}
	return results(w.t, w.fold(command(w.t, r)))
}

func command(t *testing.T, r *stream.Record) (c shard.Command) {
	t.Helper()
	if err := json.Unmarshal(r.Value, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func results(t *testing.T, answer shard.Answer) []contact.Result {
	t.Helper()
	raw, err := json.Marshal(answer.Value)
	var said contact.EditAnswer
	if err == nil {
		err = json.Unmarshal(raw, &said)
	}
	if err != nil || !answer.OK {
		t.Fatalf("%+v %v", answer, err)
	}
	return said.Results
}

// there gives a contact's state.
func (w *world) there(id chat.Identifier) (c contact.Contact, known bool) {
	w.t.Helper()
	raw := w.states[contact.Key("acme", ref(id).P)]
	if raw == nil {
		return c, false
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		w.t.Fatal(err)
	}
	return c, true
}
