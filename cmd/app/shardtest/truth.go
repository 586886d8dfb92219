package shardtest

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// truth is what is known to be in force, told by owners after they have written it to the view, and the answers of the gate
// that seem to contradict it.
type truth struct {
	mu       sync.Mutex
	known    map[chat.Pseudonym]knowledge
	suspects []suspect
}

// knowledge is the last row of a person's entry on default for channel wa that stood in the view.
type knowledge struct {
	row int64
	out bool
}

// suspect is an "allowed" for somebody who was known to be out before the question was asked.
type suspect struct {
	who  chat.Pseudonym
	row  int64
	said time.Time
}

func (t *truth) note(rows []*stream.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range rows {
		var row optout.Row
		if json.Unmarshal(r.Value, &row) == nil && row.List == gate.DefaultList {
			if r.Offset >= t.known[row.Pseudonym].row {
				t.known[row.Pseudonym] = knowledge{r.Offset, row.To == optout.StandingOut}
			}
		}
	}
}

// ask puts questions to the gate until stop, and keeps the answers that can't be right by what is known.
func (w *world) ask(stop context.Context, s *store.Store) {
	for stop.Err() == nil {
		who := w.anybody().P
		w.ledger.mu.Lock()
		before := w.ledger.known[who]
		w.ledger.mu.Unlock()
		answer := s.Ask(stop, []gate.Question{{Account: account, Channel: "wa", Pseudonym: who, Lists: []string{gate.DefaultList}}})[0]
		said := time.Now()
		switch answer.Verdict {
		case gate.Unknown:
			w.counted.add(&w.counted.unknowns)
		case gate.Skip:
			w.counted.add(&w.counted.skips)
		case gate.Go:
			w.counted.add(&w.counted.goes)
			if before.out {
				w.ledger.mu.Lock()
				w.ledger.suspects = append(w.ledger.suspects, suspect{who, before.row, said})
				w.ledger.mu.Unlock()
			}
		}
		pause(stop, rand.N(3*time.Millisecond))
	}
}

// cursor gives how far a shard has come; an error where nobody can know.
func (w *world) cursor(ctx context.Context, s int) (int64, error) {
	states, err := w.stores[0].States(ctx, s, shard.CursorKey)
	if err != nil {
		return 0, err
	}
	var c shard.Cursor
	if states[0] != nil {
		err = json.Unmarshal(states[0], &c)
	}
	return c.Command, err
}

// wronglyAllowed looks at each suspicious "go": it is right only if the person opted in again before it was said.
func (w *world) wronglyAllowed(rows map[chat.Pseudonym][]placed) (wrong int) {
	for _, s := range w.ledger.suspects {
		mine := rows[s.who]
		i := slices.IndexFunc(mine, func(r placed) bool { return r.offset == s.row })
		if i < 0 || i+1 >= len(mine) || mine[i+1].at.After(s.said.Add(time.Millisecond)) {
			wrong++
		}
	}
	return wrong
}
