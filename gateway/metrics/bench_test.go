package metrics_test

import (
	"io"
	"testing"
	"time"

	"optgate/gateway/metrics"
)

// hot are the calls that each webhook, item, command or message makes.
func hot(m *metrics.Metrics) map[string]func() {
	s := m.Shard(3)
	m.Optout("vip", "message")
	return map[string]func(){
		"Webhook":   func() { m.Webhook("kept", time.Millisecond) },
		"Published": func() { m.Published("ingress", time.Millisecond, nil) },
		"Item":      func() { m.Item("message", time.Millisecond) },
		"InForce":   func() { s.InForce("consent.change", time.Millisecond) },
		"Turned":    func() { s.Turned(7, 3) },
		"Leased":    func() { s.Leased() },
		"Optout":    func() { m.Optout("vip", "message") },
		"Gate":      func() { m.Gate("go") },
		"Send":      func() { m.Send("bulk", "sent") },
		"Called":    func() { m.Called("bulk", time.Millisecond) },
		"Dead":      func() { m.Dead("unreadable") },
	}
}

func BenchmarkHot(b *testing.B) {
	for name, call := range hot(metrics.New("dev")) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}

// All processors count the same series at once.
func BenchmarkWebhookTogether(b *testing.B) {
	m := metrics.New("dev")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Webhook("kept", time.Millisecond)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	m := metrics.New("dev")
	for s := range 64 {
		m.Shard(s)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
