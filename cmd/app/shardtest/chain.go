package shardtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// prove counts what is wrong with the chain of a partition's ledger, row by row and against the cursor in state.
func (w *world) prove(ctx context.Context, t *testing.T, s int) (problems int) {
	t.Helper()
	var cursor shard.Cursor
	for _, r := range w.all(ctx, t, stream.State, s) {
		if string(r.Key) != shard.CursorKey {
			continue
		}
		cursor = shard.Cursor{}
		if err := json.Unmarshal(r.Value, &cursor); err != nil {
			t.Fatal(err)
		}
	}
	v := optout.NewVerifier(w.prefix, s, cursor, nil, func(ctx context.Context, offset int64) (stream.Record, error) {
		return w.buses[0].At(ctx, stream.Consent, s, offset)
	})
	ledger, end := w.all(ctx, t, stream.Consent, s), int64(0)
	for i := range ledger {
		if err := v.Take(ctx, &ledger[i]); err != nil {
			t.Fatal(err)
		}
		end = ledger[i].Offset + 1
	}
	verdict := v.End(end)
	if verdict.Rows > 0 && verdict.Head != cursor.Chain || verdict.Unchained > 0 {
		problems++
	}
	return problems + verdict.Problems
}

// forkingView is the mutation "forked chains": owners don't know the chain that the one before left, and begin another.
type forkingView struct{ shard.View }

func (v forkingView) Load(ctx context.Context, p shard.Position, keys []string) ([][]byte, error) {
	states, err := v.View.Load(ctx, p, keys)
	if at := slices.Index(keys, shard.CursorKey); err == nil && at >= 0 && states[at] != nil {
		var cursor shard.Cursor
		if err := json.Unmarshal(states[at], &cursor); err != nil {
			return nil, fmt.Errorf("cursor: %w", err)
		}
		cursor.Chain = shard.NewChain("another", 0).String()
		states[at], err = json.Marshal(cursor)
	}
	return states, err
}
