package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/cmd/app"
	"optgate/gateway/meta/fake"
)

// TestItemsThatAreGoneUnreadAreALoss lets the pipeline's place lie outside of the log of what was kept, as after a disk
// that lost its end, or a pipeline that was off for longer than items are kept.
func TestItemsThatAreGoneUnreadAreALoss(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		if len(on.kafka) == 0 {
			on.kafka = []string{beside(t).Kafka}
		}
		w := newWorld(t, on, nil)
		w.settings["shards"] = 4
		w.start()
		ada := person(1700)
		w.says(ada, "STOP")
		w.barred(ada)
		w.confirmed(ada)
		w.stop()
		sends := len(w.meta.Sends())
		on.commitInbound(t, 1_000_000)

		ctx, give := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if gateway, err := app.Start(ctx, w.options()); err == nil {
				<-ctx.Done()
				gateway.Stop()
			}
		}()
		defer func() { give(); <-ended }()
		eventually(t, "it says that it is not ready, and why", func() bool {
			ready, answer := w.ready()
			return !ready && strings.Contains(answer, "human")
		})
		if status, retry := w.post(fake.Text(acme, person(1701), "STOP", time.Now())); status != http.StatusServiceUnavailable || retry == "" {
			t.Errorf("a webhook is answered %d, Retry-After %q", status, retry)
		}
		eventually(t, "nothing is certain any more", func() bool { _, certain := w.why("acme", ada); return !certain })
		if n := len(w.meta.Sends()); n != sends {
			t.Errorf("%d messages were sent", n-sends)
		}
	})
}

// commitInbound moves the pipeline's place in all partitions of what was kept.
func (s servers) commitInbound(t *testing.T, offset int64) {
	t.Helper()
	prefix := s.prefix
	if prefix == "" {
		prefix = "optgate."
	}
	client := &kafka.Client{Addr: kafka.TCP(s.kafka...)}
	eventually(t, "the group is empty, and its place moved", func() bool {
		answer, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
			GroupID: prefix + "inbound", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{prefix + "inbound": {
				{Partition: 0, Offset: offset}, {Partition: 1, Offset: offset}, {Partition: 2, Offset: offset}, {Partition: 3, Offset: offset},
			}},
		})
		if err != nil {
			return false
		}
		for _, p := range answer.Topics[prefix+"inbound"] {
			if p.Error != nil {
				return false
			}
		}
		return true
	})
}
