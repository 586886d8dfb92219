package app

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/configs"
	"optgate/pipeline/access"
)

// TestOldEntriesOfAuditsAreForgotten runs a gateway whose audit has an entry of more than a year ago beside a young one.
func TestOldEntriesOfAuditsAreForgotten(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	config, err := configs.Load(configs.Sources{Flags: map[string]any{
		"data_dir": filepath.Join(t.TempDir(), "data"),
		"public":   map[string]any{"listen": "127.0.0.1:0"}, "private": map[string]any{"listen": "127.0.0.1:0"},
		"roles": []any{configs.RolePipeline},
	}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Start(ctx, Options{Config: *config, Log: zerolog.Nop(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Stop()
	s, now := a.shards.Account("acme"), time.Now()
	for _, at := range []time.Time{now.Add(-access.AuditKept - time.Hour), now.Add(-access.AuditKept + time.Hour)} {
		note, err := access.NewNote("note/"+at.String(), "acme", access.Entry{At: at.UnixMilli(), Token: "ops", Route: "POST /v1/tokens"})
		if err != nil {
			t.Fatal(err)
		}
		record, err := note.Record(s)
		if err == nil {
			err = a.bus.Publish(ctx, record)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	has := func(n int) {
		t.Helper()
		for ctx.Err() == nil {
			if page, _, err := a.store.Audit(ctx, "acme", time.Time{}, "", 10); err == nil && len(page) == n {
				return
			}
			if !pause(ctx, awaitEvery) {
				t.Fatalf("the audit never has %d entries", n)
			}
		}
	}
	has(2)
	if found, err := a.forgetAudit(ctx, s); !found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	has(1)
	if found, err := a.forgetAudit(ctx, s); found || err != nil {
		t.Errorf("again: %v, %v", found, err)
	}
}
