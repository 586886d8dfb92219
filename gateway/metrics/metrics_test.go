package metrics_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"optgate/gateway/metrics"
)

func written(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// has reports each line that is missing.
func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+text, "\n"+line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
}

func TestEveryMetricOfTheContractIsThereBeforeTheFirstEvent(t *testing.T) {
	text := written(t, metrics.New("v1.2.3"))
	has(t, text,
		`optgate_webhooks_total{result="kept"} 0`, `optgate_webhook_ack_seconds_count 0`, `optgate_items_total{kind="message"} 0`,
		`optgate_optouts_total{list="default",source="message"} 0`, `optgate_optouts_total{list="meta",source="meta"} 0`,
		`optgate_gate_total{answer="unknown"} 0`, `optgate_sends_total{lane="replies",result="sent"} 0`,
		`optgate_sends_total{lane="bulk",result="skipped"} 0`, `optgate_oldest_unprocessed_seconds 0`,
		`optgate_dead_total{reason="not_json"} 0`, `optgate_shards 0`, `optgate_shards_ready 0`, `optgate_stalled 0`,
	)
	for _, name := range []string{"go_goroutines ", "process_start_time_seconds ", `optgate_build_info{go="go1.`, `,version="v1.2.3"} 1`} {
		if !strings.Contains(text, name) {
			t.Errorf("%s is missing", name)
		}
	}
	if strings.Contains(text, `list="meta",source="message"`) {
		t.Error("a person's words fill no Meta list, so there is nothing to begin")
	}
}

func TestEventsAreCounted(t *testing.T) {
	m := metrics.New("dev")
	m.Webhook("kept", 30*time.Millisecond)
	m.Webhook("kept", 400*time.Millisecond)
	m.Webhook("unsigned", 0)
	m.Item("message", 300*time.Millisecond)
	m.Optout("default", "message")
	m.Gate("skip")
	m.Send("bulk", "sent")
	m.Dead("not_json")
	m.Oldest(1500 * time.Millisecond)
	m.Shards(2, 1)
	m.Stalled(true)
	has(t, written(t, m),
		`optgate_webhooks_total{result="kept"} 2`, `optgate_webhooks_total{result="unsigned"} 1`,
		`optgate_webhook_ack_seconds_bucket{le="0.025"} 0`, `optgate_webhook_ack_seconds_bucket{le="0.25"} 1`,
		`optgate_webhook_ack_seconds_bucket{le="1"} 2`, `optgate_webhook_ack_seconds_count 2`,
		`optgate_items_total{kind="message"} 1`, `optgate_optouts_total{list="default",source="message"} 1`,
		`optgate_gate_total{answer="skip"} 1`, `optgate_sends_total{lane="bulk",result="sent"} 1`,
		`optgate_dead_total{reason="not_json"} 1`, `optgate_oldest_unprocessed_seconds 1.5`,
		`optgate_shards 2`, `optgate_shards_ready 1`, `optgate_stalled 1`,
	)
}

func TestNothingPersonalBecomesALabel(t *testing.T) {
	m := metrics.New("dev")
	for _, value := range []string{
		"447700900101", "+447700900101", "GB.90210000000000000778", "wamid.HBgMNDQ3NzAw", "ada@example.com", "I said STOP", "",
		"\xff", strings.Repeat("a", 65),
	} {
		m.Optout(value, value)
		m.Dead(value)
	}
	text := written(t, m)
	has(t, text, `optgate_optouts_total{list="other",source="other"} 9`, `optgate_dead_total{reason="other"} 9`)
	for _, personal := range []string{"7700900", "9021000", "wamid", "ada@", "I said", "\xff", "aaaaa"} {
		if strings.Contains(text, personal) {
			t.Errorf("%s is a label", personal)
		}
	}
}

func TestLabelsAreBounded(t *testing.T) {
	m := metrics.New("dev")
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 250 {
				m.Optout(fmt.Sprintf("list-%d", worker*250+i), "message")
			}
		})
	}
	all.Wait()
	m.Optout("default", "message")
	text := written(t, m)
	if n := strings.Count(text, `optgate_optouts_total{list="list-`); n != 98 { // two were known beforehand
		t.Errorf("%d lists", n)
	}
	has(t, text, `optgate_optouts_total{list="other",source="message"} 902`, `optgate_optouts_total{list="default",source="message"} 1`)
}

type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestAWriterThatIsGoneIsToldOf(t *testing.T) {
	if err := metrics.New("dev").Write(deaf{}); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Error(err)
	}
}

func BenchmarkWebhook(b *testing.B) {
	m := metrics.New("dev")
	b.ReportAllocs()
	for b.Loop() {
		m.Webhook("kept", time.Millisecond)
	}
}
