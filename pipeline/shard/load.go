package shard

import (
	"context"
	"time"

	"optgate/pipeline/stream"
)

// catchUp brings the view up to the own claim and gives the number of states written: from where the view stands, or, if it
// is gone or too old, from the beginning of state.
func (o *Owner) catchUp(ctx context.Context, seen Position, generation int64) (int, error) {
	first, _, err := o.Reader.Ends(ctx, stream.State, o.Shard)
	if err != nil {
		return 0, err
	}
	from := Position{Generation: generation, Next: seen.Next, Whole: true}
	if !seen.Whole || seen.Age > maxAge || seen.Next < first {
		from = Position{Generation: generation}
	}
	if err := o.View.Begin(ctx, seen, from); err != nil {
		return 0, err
	}
	o.at, o.leased = from, time.Time{}
	l := loader{o: o, states: map[string][]byte{}}
	err = o.Reader.Read(ctx, stream.State, o.Shard, max(from.Next, first), generation+1, func(r stream.Record) error {
		return l.take(ctx, r)
	})
	if err == nil {
		err = l.end(ctx)
	}
	if err != nil {
		return 0, err
	}
	return l.written, o.apply(ctx, Position{Generation: generation, Next: generation + 1, Whole: true}, nil, time.Time{})
}

// loader writes states into a view that nobody relies on yet, in the order of the log and in chunks, so that memory doesn't
// grow with the shard. The position stays where it is: only the step after the last makes the view whole. Until then readers
// would find states of yesterday, and a loader that dies is repeated; there is no lease meanwhile. The cursor comes last,
// since whoever waits for an answer looks at it.
type loader struct {
	o       *Owner
	keys    []string // of the chunk, in the order of their first states
	states  map[string][]byte
	size    int
	cursor  *stream.Record
	written int
}

func (l *loader) take(ctx context.Context, r stream.Record) error {
	switch key := string(r.Key); key {
	case claimKey, InstallationKey:
		return nil
	case CursorKey:
		l.cursor = &r
		return nil
	default:
		if _, again := l.states[key]; !again {
			l.keys = append(l.keys, key)
		}
		l.states[key] = r.Value
		l.size += len(key) + len(r.Value)
	}
	if len(l.keys) < loadStates && l.size < loadBytes {
		return nil
	}
	return l.flush(ctx)
}

// end writes the last chunk.
func (l *loader) end(ctx context.Context) error {
	if l.cursor != nil {
		l.keys = append(l.keys, CursorKey)
		l.states[CursorKey] = l.cursor.Value
	}
	return l.flush(ctx)
}

func (l *loader) flush(ctx context.Context) error {
	if len(l.keys) == 0 {
		return nil
	}
	old, err := l.o.View.Load(ctx, l.o.at, l.keys)
	if err != nil {
		return err
	}
	changes := make([]Change, len(l.keys))
	for i, key := range l.keys {
		changes[i] = Change{Key: key, Old: old[i], New: l.states[key]}
	}
	l.written += len(changes)
	l.keys, l.size = l.keys[:0], 0
	clear(l.states)
	return l.o.apply(ctx, l.o.at, changes, time.Time{})
}
