package broadcast_test

import (
	"testing"

	"optgate/pipeline/broadcast"
)

// BenchmarkFor writes a template's message for one recipient after the other, as a run does for each row of an upload.
func BenchmarkFor(b *testing.B) {
	m, wrong := broadcast.ParseMessage([]byte(`{"type":"template","template":{"name":"offer","language":{"code":"en"},"components":[
		{"type":"body","parameters":[{"type":"text","text":"{{name}}"},{"type":"text","text":"{{amount}} off until {{day}}"}]}]}}`))
	if len(wrong) > 0 {
		b.Fatal(wrong)
	}
	params := map[string]string{"name": "Ada Lovelace", "amount": "£20", "day": "Friday"}
	b.ReportAllocs()
	for b.Loop() {
		if _, wrong, err := m.For(params); wrong != "" || err != nil {
			b.Fatal(wrong, err)
		}
	}
}
