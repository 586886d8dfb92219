package api

import (
	"bufio"
	"context"
	"encoding/json"
	"sync"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// tail answers GET /v1/tail/{topic}?from=beginning|end|TIME&follow=: records as NDJSON, each partition in its order. Without
// follow the partitions come one after another and it ends where the topic ended when it was asked; with follow it goes
// on until the client leaves.
func (a *API) tail(c *call) error {
	topic := stream.Topic(c.param("topic"))
	if a.Topics.Partitions(topic) == 0 {
		return fault.New(fault.NotFound, "unknown_topic", "There is no topic with this name.")
	}
	follow, err := c.flag("follow")
	if err != nil {
		return err
	}
	since, atEnd, err := beginning(c.query("from"))
	if err != nil {
		return err
	}
	parts, err := a.stretches(c.ctx, topic, since)
	if err != nil {
		return err
	}
	for p := range parts {
		if atEnd {
			parts[p].from = parts[p].to
		}
	}
	return c.stream("application/x-ndjson", func(ctx context.Context, w *bufio.Writer) error {
		show := lines(w, since)
		if follow {
			if err := a.follow(ctx, topic, parts, w, show); ctx.Err() == nil {
				return err
			}
			return nil // whoever follows has all there was
		}
		for _, s := range parts {
			if err := a.Topics.Read(ctx, topic, s.partition, s.from, s.to, show); err != nil {
				return err
			}
		}
		return nil
	})
}

// beginning reads ?from=. Records before since are passed over.
func beginning(text string) (since time.Time, atEnd bool, err error) {
	switch text {
	case "", "beginning":
		return since, false, nil
	case "end":
		return since, true, nil
	}
	since, err = time.Parse(time.RFC3339, text)
	if err != nil {
		return since, false, wrongField(fault.Invalid, "from", "not_a_place", "is beginning, end, or a time as 2026-11-22T10:00:00Z")
	}
	return since, false, nil
}

// lines writes each record that is not older than since.
func lines(w *bufio.Writer, since time.Time) func(stream.Record) error {
	encode := json.NewEncoder(w)
	encode.SetEscapeHTML(false)
	return func(r stream.Record) error {
		if r.Time.Before(since) {
			return nil
		}
		return encode.Encode(viewRecord(r))
	}
}

// follow shows all partitions as they grow, until ctx ends.
func (a *API) follow(ctx context.Context, topic stream.Topic, parts []stretch, w *bufio.Writer, show func(stream.Record) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	rounds := make(chan stream.Round)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel(nil)
	for _, s := range parts {
		readers.Go(func() {
			if err := a.forward(ctx, topic, s, rounds); err != nil {
				cancel(err)
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case round := <-rounds:
			for _, r := range round.Records {
				if err := show(r); err != nil {
					return err
				}
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}

func (a *API) forward(ctx context.Context, topic stream.Topic, s stretch, rounds chan<- stream.Round) error {
	f := a.Follow(topic, s.partition, s.from)
	defer f.Close()
	for {
		round, err := f.Next(ctx)
		if err != nil {
			return err
		}
		if len(round.Records) == 0 {
			continue
		}
		select {
		case rounds <- round:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
