package stream_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/stream"
)

func TestCloudEventsHeaders(t *testing.T) {
	f := func(account, source string) {
		t.Helper()
		want := []stream.Header{
			{Key: "ce_specversion", Value: "1.0"}, {Key: "ce_type", Value: "optgate.optout.v1"}, {Key: "ce_source", Value: source},
			{Key: "ce_id", Value: "3.14/1/default"}, {Key: "ce_time", Value: "2026-11-22T10:00:00.007Z"},
			{Key: "content-type", Value: "application/json"},
		}
		if diff := cmp.Diff(want, stream.CloudEvent(stream.TypeOptout, account, "3.14/1/default", 1795341600007)); diff != "" {
			t.Error(diff)
		}
	}
	f("acme", "/accounts/acme")
	f("", "/")
}

func TestCloudEventsAreCheap(t *testing.T) {
	got := testing.AllocsPerRun(100, func() { _ = stream.CloudEvent(stream.TypeItem, "acme", "id", 1795341600007) })
	if got > 2 {
		t.Errorf("%v allocations: the headers, and their text, are 2", got)
	}
}
