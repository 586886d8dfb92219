package store_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/fault"
	"optgate/pipeline/imports"
	"optgate/pipeline/shard"
)

// imported is the change that makes an import what it is.
func imported(t *testing.T, i imports.Import) shard.Change {
	t.Helper()
	i.V, i.Account = 1, "acme"
	state, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	return shard.Change{Key: i.Ref().Key(), New: state}
}

func TestImportsAreListedAndDue(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		owners := filled(t, s, 0)
		hour := func(n int) int64 { return int64(n) * time.Hour.Milliseconds() }
		put := func(i imports.Import) shard.Change {
			c := imported(t, i)
			owners[imports.Ref{Account: "acme", ID: i.ID}.Shard(testShards)].move(time.Minute, c)
			return c
		}
		for n := range 7 {
			put(imports.Import{ID: fmt.Sprint("i", n), Made: hour(n), Heard: hour(n), Status: imports.Running})
		}
		put(imports.Import{ID: "i2", Made: hour(2), Heard: hour(9), Status: imports.Running})
		put(imports.Import{ID: "i3", Made: hour(3), Heard: hour(3), Ended: hour(4), Status: imports.Finished})
		gone := put(imports.Import{ID: "i4", Made: hour(4), Ended: hour(8), Status: imports.Failed})

		listed := func(limit int) (ids string) {
			for after := ""; ; {
				page, next, err := s.Imports(t.Context(), "acme", after, limit)
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range page {
					ids += i.ID
				}
				if after = next; next == "" {
					return ids
				}
			}
		}
		for _, limit := range []int{1, 3, 100} {
			if ids := listed(limit); ids != "i6i5i4i3i2i1i0" {
				t.Errorf("pages of %d: %s", limit, ids)
			}
		}
		due := func(silent, ended int) map[string]bool {
			ids := map[string]bool{}
			for at := range owners {
				all, err := s.DueImports(t.Context(), at, time.UnixMilli(hour(silent)), time.UnixMilli(hour(ended)))
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range all {
					ids[i.ID] = true
				}
			}
			return ids
		}
		if ids := due(2, 0); len(ids) != 2 || !ids["i0"] || !ids["i1"] {
			t.Errorf("silent: %v", ids)
		}
		if ids := due(0, 5); len(ids) != 1 || !ids["i3"] {
			t.Errorf("ended: %v", ids)
		}
		owners[imports.Ref{Account: "acme", ID: "i4"}.Shard(testShards)].move(time.Minute, shard.Change{Key: gone.Key, Old: gone.New})
		if ids := listed(100); ids != "i6i5i3i2i1i0" {
			t.Errorf("one is forgotten: %s", ids)
		}
		if ids := due(0, 1000); len(ids) != 1 {
			t.Errorf("ended: %v", ids)
		}
		if i, err := s.Import(t.Context(), imports.Ref{Account: "acme", ID: "i4"}); i != nil || err != nil {
			t.Errorf("%+v, %v", i, err)
		}
		if page, _, err := s.Imports(t.Context(), "globex", "", 10); len(page) > 0 || err != nil {
			t.Errorf("another account's: %v, %v", page, err)
		}
	})
}

func TestImportsOfAShardWithoutALeaseAreNotKnown(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		if _, _, err := s.Imports(t.Context(), "acme", "", 10); fault.KindOf(err) != fault.NotCertain {
			t.Error(err)
		}
		if _, err := s.Import(t.Context(), imports.Ref{Account: "acme", ID: "i"}); fault.KindOf(err) != fault.NotCertain {
			t.Error(err)
		}
	})
}
