package optout_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"optgate/pipeline/optout"
)

func TestWhyTellsFromTheLedgerWhatBars(t *testing.T) {
	w := newWorld(t, 3)
	w.change("stop", typed(true, 1_000, "default", ada))
	w.change("start", typed(false, 2_000, "default", ada))
	w.change("again", typed(true, 3_000, "default", ada))
	everywhere := typed(true, 5_000, "promo", ada)
	everywhere.Marks[0].Channel, everywhere.Marks[0].Source, everywhere.Marks[0].Rule = "*", optout.SourceAPI, ""
	w.change("api", everywhere)
	w.settle()
	p := w.person(ada)
	for _, row := range []struct {
		lists   []string
		channel string
		bars    string
		history int
	}{
		{[]string{"default", "meta"}, "wa", "default", 3},
		{[]string{"promo", "default"}, "wa", "promo", 4},
		{[]string{"promo", "promo"}, "wb", "promo", 1},
		{[]string{"default"}, "wb", "", 0},
		{[]string{"meta"}, "wa", "", 0},
		{nil, "wa", "", 0},
	} {
		checked := p.Checked(row.lists, row.channel)
		var rows []optout.Row
		for _, e := range checked {
			chain, err := optout.Chain(t.Context(), ref(ada).P, e, w.read)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, chain...)
		}
		got := optout.Why(checked, rows)
		if got.Allowed != (row.bars == "") || got.List != row.bars || len(got.History) != row.history || !got.Allowed && got.Error != "Optout Number" {
			t.Errorf("%v on %s: %+v", row.lists, row.channel, got)
		}
	}
	got := optout.Why(p.Checked([]string{"default"}, "wa"), w.rows(ada)[:3])
	if !got.Since.Equal(time.UnixMilli(3_000)) || got.Source != "message" || got.Rule != "word" ||
		got.History[0].Message != "m3000" || got.History[1].To != "in" || got.History[2].Message != "m1000" {
		t.Errorf("explanation %+v", got)
	}
}

func (w *world) read(_ context.Context, offset int64) (optout.Row, error) {
	return w.ledger[w.shards.Of(ref(ada).P)][offset], nil
}

func TestAChainThatLeadsElsewhereIsAnError(t *testing.T) {
	e := optout.Entry{List: "default", Channel: "wa", Out: 1, Row: 7}
	gone := errors.New("gone")
	for name, read := range map[string]func(context.Context, int64) (optout.Row, error){
		"another person": func(context.Context, int64) (optout.Row, error) {
			return optout.Row{Pseudonym: 2, List: "default", Channel: "wa", Prev: -1}, nil
		},
		"another list": func(context.Context, int64) (optout.Row, error) {
			return optout.Row{Pseudonym: 1, List: "promo", Channel: "wa", Prev: -1}, nil
		},
		"forwards": func(_ context.Context, at int64) (optout.Row, error) {
			return optout.Row{Pseudonym: 1, List: "default", Channel: "wa", Prev: at}, nil
		},
		"unreadable": func(context.Context, int64) (optout.Row, error) { return optout.Row{}, gone },
	} {
		if rows, err := optout.Chain(t.Context(), 1, e, read); err == nil {
			t.Errorf("%s: rows %+v", name, rows)
		}
	}
}
