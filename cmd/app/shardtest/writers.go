package shardtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// commands are all that writers appended.
type commands struct {
	mu  sync.Mutex
	all map[string]said
}

// said is one command as it was meant.
type said struct {
	who   []optout.Ref
	out   bool
	marks []optout.Mark
	typed bool
}

func (w *world) person(group, n int) optout.Ref {
	id := chat.Identifier(fmt.Sprintf("phone:%d%06d%d", 4915000+n*7, group, n))
	return optout.Ref{ID: id, P: w.key.Pseudonym(id)}
}

func (w *world) anybody() optout.Ref { return w.person(rand.IntN(groups), rand.IntN(perGroup)) }

// compose makes a random command. People of odd groups opted in long ago, so that their first STOP decides for good.
func (w *world) compose(id string) (said, []*stream.Record, error) {
	group := rand.IntN(groups)
	s := said{who: []optout.Ref{w.person(group, rand.IntN(perGroup))}, typed: rand.IntN(3) > 0, out: true}
	at := w.began + rand.Int64N(60_000)
	switch {
	case group%2 == 0:
		s.out = rand.IntN(2) == 0
	case rand.IntN(4) > 0:
		s.out, at = false, 1
	}
	if other := w.person(group, rand.IntN(perGroup)); rand.IntN(10) == 0 && other != s.who[0] {
		s.who = append(s.who, other)
	}
	made := time.Now().UnixMilli()
	if len(s.who) == 2 && rand.IntN(4) == 0 {
		records, err := optout.Tie{Who: s.who, At: at, By: optout.SourceWebhook}.Records(shards, id, account, made)
		return s, records, err
	}
	s.marks = []optout.Mark{{List: "default", Channel: "wa", At: at, Source: optout.SourceMessage, Rule: "stop", Message: id}}
	if rand.IntN(5) == 0 {
		s.marks = append(s.marks, optout.Mark{List: "news", Channel: chat.AnyChannel, At: at, Source: optout.SourceMessage, Rule: "stop", Message: id})
	}
	change := optout.Change{Who: s.who, Out: s.out, Marks: s.marks, Linked: true}
	if s.typed {
		change.Confirm = &optout.Confirm{Channel: "wa", Given: s.who[0].ID.Value(), Texts: []optout.Text{{List: "default", Body: "ok"}, {List: "news", Body: "ok"}}}
	}
	records, err := change.Records(shards, id, account, made)
	return s, records, err
}

// write appends commands until stop: some of them again, some to one of their shards only, and to all of them later.
func (w *world) write(stop, ctx context.Context, writer int) error {
	b := w.buses[writer%processes]
	var old [][]*stream.Record
	var late sync.WaitGroup
	defer late.Wait()
	for i := 0; stop.Err() == nil; i++ {
		id := fmt.Sprintf("w%d.%d", writer, i)
		s, records, err := w.compose(id)
		if err != nil {
			return err
		}
		w.sent.mu.Lock()
		w.sent.all[id] = s
		w.sent.mu.Unlock()
		old = append(old, records)
		if len(records) == 2 && rand.IntN(2) == 0 { // whoever appended it died between the two shards, and does it again
			both := clones(records)
			late.Go(func() {
				pause(ctx, rand.N(1500*time.Millisecond))
				_ = b.Publish(ctx, both...)
			})
			records = records[rand.IntN(2):][:1]
		}
		if rand.IntN(8) == 0 {
			records = append(slices.Clone(records), old[rand.IntN(len(old))]...)
		}
		if err := b.Publish(ctx, clones(records)...); err != nil {
			return err
		}
		pause(stop, 4*time.Millisecond)
	}
	return nil
}

// clones gives copies, since Publish notes places in the records.
func clones(records []*stream.Record) []*stream.Record {
	out := make([]*stream.Record, len(records))
	for i, r := range records {
		c := *r
		out[i] = &c
	}
	return out
}
