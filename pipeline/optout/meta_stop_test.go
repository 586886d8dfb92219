package optout_test

import (
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

func TestWhoMetaRefusesIsFiledAsTheMetaListSays(t *testing.T) {
	for _, c := range []struct {
		list    optout.List
		channel string
		feed    bool
	}{
		{optout.List{ID: "meta", Scope: optout.ScopeChannel}, "wa", false},
		{optout.List{ID: "meta", Scope: optout.ScopeAll, WebhookURL: "https://example.com"}, "*", true},
	} {
		w := newWorld(t, 3)
		m := chat.Outbound{ID: "b.1", Account: "acme", Channel: "wa", To: ada, Pseudonym: ref(ada).P}
		for range 2 { // the call's error and its receipt tell the same
			r, err := optout.StoppedAtMeta(3, m, time.UnixMilli(50), c.list)
			if err != nil {
				t.Fatal(err)
			}
			w.append(r)
			w.settle()
		}
		e := w.entry(ada, "meta", c.channel)
		if !e.Barred() || e.Rule != "131050" || e.Source != optout.SourceMeta || e.Feed != c.feed || len(w.rows(ada)) != 1 {
			t.Errorf("%+v, %d rows", e, len(w.rows(ada)))
		}
	}
}
