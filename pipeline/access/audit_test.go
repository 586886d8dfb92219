package access_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"optgate/pipeline/access"
)

func TestEntriesOfAnAuditSortByTheirTime(t *testing.T) {
	w := newWorld(t)
	var keys []string
	for i, at := range []int64{1_763_812_800_000, 1_763_812_800_000, 999, 1_763_812_800_001} {
		c, err := access.NewNote("", "acme", access.Entry{At: at, Token: "ops", Route: "POST /v1/tokens", Status: 201})
		if err := w.fold(shards.Account("acme"), c, err); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, access.AuditKey("acme", access.Place(at, int64(i))))
	}
	if len(w.states) != 4 {
		t.Fatalf("%d entries", len(w.states))
	}
	for _, key := range keys {
		var e access.Entry
		if w.read(key, &e); e.Token != "ops" || e.V != 1 {
			t.Errorf("%+v", e)
		}
	}
	slices.Sort(keys)
	want := []string{"audit/acme/0000000000999.0000000000000002", "audit/acme/1763812800000.0000000000000000"}
	if !slices.Equal(keys[:2], want) {
		t.Errorf("in the order %q", keys)
	}
	since := access.AuditKey("acme", access.PlaceAfter(time.UnixMilli(1_763_812_800_000)))
	if n, _ := slices.BinarySearch(keys, since); n != 1 {
		t.Errorf("%d entries are older", n)
	}
	account, place, ok := access.ParseAuditKey(access.AuditKey("", "1.2"))
	if account != "" || place != "1.2" || !ok {
		t.Errorf("what spans accounts: %q %q %v", account, place, ok)
	}
}

func TestOnlyEntriesOfMoreThanAYearAreForgotten(t *testing.T) {
	w := newWorld(t)
	kept := access.AuditKept.Milliseconds()
	var keys []string
	for i, at := range []int64{1, 2, 3} {
		c, err := access.NewNote("", "acme", access.Entry{At: at, Token: "ops", Route: "POST /v1/tokens"})
		if err := w.fold(shards.Account("acme"), c, err); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, access.AuditKey("acme", access.Place(at, int64(i))))
	}
	c, err := access.NewForget("f", kept+2, keys)
	if err := w.fold(0, c, err); err != nil {
		t.Fatal(err)
	}
	left := []bool{w.states[keys[0]] != nil, w.states[keys[1]] != nil, w.states[keys[2]] != nil}
	if !slices.Equal(left, []bool{false, false, true}) {
		t.Errorf("left %v", left)
	}
	many := make([]string, access.MostForgotten+1)
	for i := range many {
		many[i] = access.AuditKey("acme", access.Place(int64(i), 0))
	}
	c, err = access.NewForget("f", kept, many)
	if w.fold(0, c, err) == nil {
		t.Error(fmt.Sprint(len(many), " are forgotten by one command"))
	}
}
