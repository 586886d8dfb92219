package main

import (
	"strings"
	"testing"
)

func TestSummaryOfMetrics(t *testing.T) {
	m, err := readSamples(strings.NewReader(`# HELP optgate_webhooks_total x
# TYPE optgate_webhooks_total counter
optgate_webhooks_total{result="kept"} 7
optgate_webhooks_total{result="dead"} 1
optgate_webhooks_total{result="forged"} 2
optgate_optouts_total{list="default",source="message"} 3
optgate_optouts_total{list="meta",source="meta"} 1
optgate_sends_total{lane="replies",result="sent"} 3
optgate_sends_total{lane="bulk",result="failed"} 9
optgate_gate_total{answer="go"} 20
optgate_gate_total{answer="skip"} 4
optgate_oldest_unprocessed_seconds 0.25
`))
	if err != nil {
		t.Fatal(err)
	}
	const want = "received 10 · kept 8 · opted out 4 · sent 3 · skipped 4 · oldest unprocessed 250ms"
	if got := summarise(m).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
