package chat_test

import (
	"strings"
	"testing"

	"optgate/pipeline/chat"
)

func TestAHasherComputesWhatItsKeyDoes(t *testing.T) {
	key := chat.Key("0123456789abcdef")
	h := key.Hasher()
	for _, text := range []string{"", "phone:447700900001", "bsuid:GB.1", strings.Repeat("long", 1000), "phone:447700900001"} {
		if got, want := h.Pseudonym(chat.Identifier(text)), key.Pseudonym(chat.Identifier(text)); got != want || got < 0 {
			t.Errorf("pseudonym of %.20q: %v, want %v", text, got, want)
		}
		if got, want := h.Message(text), key.Message(text); got != want {
			t.Errorf("message %.20q: %v, want %v", text, got, want)
		}
	}
	// The ledger rests on these: they can't be changed.
	if got := key.Pseudonym("phone:447700900001"); got.String() != "6901487031853583629" {
		t.Errorf("pseudonym %v", got)
	}
	if got := key.Message("wamid.1"); got != "7a3ddb50e9925f1c" {
		t.Errorf("message %v", got)
	}
}

func BenchmarkPseudonym(b *testing.B) {
	key := chat.Key("0123456789abcdef")
	b.Run("key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			key.Pseudonym("phone:447700900001")
		}
	})
	b.Run("hasher", func(b *testing.B) {
		h := key.Hasher()
		b.ReportAllocs()
		for b.Loop() {
			h.Pseudonym("phone:447700900001")
		}
	})
}
