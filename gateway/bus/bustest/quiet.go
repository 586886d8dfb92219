package bustest

import (
	"context"
	"time"

	"optgate/pipeline/stream"
)

// neighboursWakeNobody: a follower for whom there is nothing learns so now and then, however often others get something.
func neighboursWakeNobody(h *harness) {
	b := h.ready()
	busy, quiet := b.Follow(stream.Events, 0, 0), b.Follow(stream.Events, 1, 0)
	defer busy.Close()
	defer quiet.Close()
	ctx, cancel := context.WithCancel(h.ctx)
	rounds := make(chan []time.Time)
	go func() {
		var came []time.Time
		for {
			if _, err := quiet.Next(ctx); err != nil {
				rounds <- came
				return
			}
			came = append(came, time.Now())
		}
	}()
	began, sent := time.Now(), 0
	for ; time.Since(began) < 2*time.Second; sent++ {
		h.must(b.Publish(h.ctx, &stream.Record{Topic: stream.Events}))
		for got := 0; got == 0; {
			round, err := busy.Next(h.ctx)
			h.must(err)
			got = len(round.Records)
		}
	}
	cancel()
	came := <-rounds
	if most := int(time.Since(began)/(40*time.Millisecond)) + 10; len(came) > most || len(came) < 4 {
		h.Errorf("%d rounds of nothing beside %d of something, at most %d", len(came), sent, most)
	}
	for i := 1; i < len(came); i++ {
		if pause := came[i].Sub(came[i-1]); pause > 700*time.Millisecond {
			h.Errorf("nothing for %v", pause)
		}
	}
}
