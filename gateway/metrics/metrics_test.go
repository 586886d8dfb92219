package metrics_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	m.Published("ingress", 3*time.Millisecond, nil)
	m.Published("ingress", 6*time.Second, errors.New("away"))
	m.Item("message", 300*time.Millisecond)
	m.Optout("default", "message")
	m.Gate("skip")
	m.Send("bulk", "sent")
	m.Called("bulk", 40*time.Millisecond)
	m.Open("bulk", 7)
	m.Open("bulk", -2)
	m.Dead("not_json")
	m.DeadMessage()
	m.Lag(12)
	m.Held(true)
	m.Sound(true)
	m.Kafka(true, 4096)
	m.Looked("redis", 2*time.Millisecond)
	m.Oldest(1500 * time.Millisecond)
	m.Installed(64)
	m.Shards(2, 1)
	m.Stalled(true)
	has(t, written(t, m),
		`optgate_webhooks_total{result="kept"} 2`, `optgate_webhooks_total{result="unsigned"} 1`,
		`optgate_webhook_ack_seconds_bucket{le="0.025"} 0`, `optgate_webhook_ack_seconds_bucket{le="0.25"} 1`,
		`optgate_webhook_ack_seconds_bucket{le="1"} 2`, `optgate_webhook_ack_seconds_count 2`,
		`optgate_items_total{kind="message"} 1`, `optgate_optouts_total{list="default",source="message"} 1`,
		`optgate_gate_total{answer="skip"} 1`, `optgate_sends_total{lane="bulk",result="sent"} 1`,
		`optgate_dead_total{reason="not_json"} 1`, `optgate_oldest_unprocessed_seconds 1.5`,
		`optgate_shards 2`, `optgate_shards_ready 1`, `optgate_shards_installed 64`, `optgate_stalled 1`,
		`optgate_pipeline_seconds_bucket{le="0.25"} 0`, `optgate_pipeline_seconds_bucket{le="0.5"} 1`,
		`optgate_publish_seconds_count{by="ingress"} 2`, `optgate_publish_failures_total{by="ingress"} 1`,
		`optgate_graph_call_seconds_count{lane="bulk"} 1`, `optgate_lane_open_messages{lane="bulk"} 5`,
		`optgate_dead_messages_total 1`, `optgate_inbound_lag_items 12`, `optgate_bulk_held 1`, `optgate_sound 1`,
		`optgate_kafka_up 1`, `optgate_kafka_queued_bytes 4096`, `optgate_look_seconds_count{at="redis"} 1`,
	)
}

// Clocks of two machines differ a little, and nothing is handled before it came.
func TestAnAgeIsNeverNegative(t *testing.T) {
	m := metrics.New("dev")
	m.Item("message", -time.Second)
	has(t, written(t, m), `optgate_pipeline_seconds_sum 0`, `optgate_pipeline_seconds_bucket{le="0.0025"} 1`)
}

func TestAShardIsThereWhileItIsOwned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := metrics.New("dev")
		first, second := m.Shard(0), m.Shard(63)
		first.Claimed(true)
		first.Turned(40, 7)
		first.InForce("consent.change", 4*time.Millisecond)
		first.Dead("fold_failed")
		<-time.After(2 * time.Second)
		first.Leased()
		second.Claimed(false)
		second.Turned(0, 0)
		<-time.After(500 * time.Millisecond)
		has(t, written(t, m),
			`optgate_shard_lag_commands{shard="0"} 7`, `optgate_shard_lag_commands{shard="63"} 0`,
			`optgate_shard_lease_age_seconds{shard="0"} 0.5`, `optgate_shard_lease_age_seconds{shard="63"} 2.5`, // never had one
			`optgate_claims_total{kind="hard"} 1`, `optgate_claims_total{kind="soft"} 1`,
			`optgate_turn_commands_count 1`, `optgate_turn_commands_bucket{le="50"} 1`, `optgate_turn_commands_bucket{le="20"} 0`,
			`optgate_in_force_seconds_bucket{kind="consent.change",le="0.005"} 1`, `optgate_dead_total{reason="fold_failed"} 1`,
		)
		again := m.Shard(0) // begun anew before the old one has ended
		first.Close()
		if text := written(t, m); !strings.Contains(text, `{shard="0"}`) {
			t.Error("the end of a former owner ended the new one's series")
		}
		again.Close()
		if text := written(t, m); strings.Contains(text, `{shard="0"}`) || !strings.Contains(text, `{shard="63"}`) {
			t.Error("a shard that was given up is still shown, or one too many is gone")
		}
	})
}

func TestTheRuntimeTellsWhatASlowProcessWaitsFor(t *testing.T) {
	text := written(t, metrics.New("dev"))
	for _, name := range []string{
		"go_sched_latencies_seconds_bucket", "go_sched_pauses_total_gc_seconds_bucket", "go_gc_gomemlimit_bytes", "go_gc_heap_live_bytes",
		"go_cpu_classes_gc_total_cpu_seconds_total", "go_memory_classes_total_bytes", "process_resident_memory_bytes", "process_open_fds",
	} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
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
