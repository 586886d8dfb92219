package optout_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"optgate/pipeline/optout"
)

func lexicon(t testing.TB, a optout.Account) *optout.Lexicon {
	t.Helper()
	state, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	l, err := optout.NewLexicon(state)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestWhatIsNearlyAStopWord(t *testing.T) {
	l := lexicon(t, account(
		optout.List{ID: "promo", Keywords: []string{"No promo", "ok"}, OptinKeywords: []string{"promotion"}, Channels: []string{"wb"}},
		optout.List{ID: "turkish", Keywords: []string{"iptal"}, Languages: map[string]optout.Language{"ar": {Keywords: []string{"إلغاء الاشتراك"}}}, Channels: []string{"*"}},
	))
	for text, want := range map[string]string{
		"sotp": "sotp", "SOTP!": "sotp", "stopo": "stopo", "sto": "sto", "stip": "stip", "st op": "st op", "stp": "stp",
		"please sotp": "sotp", "unsubcribe": "unsubcribe", "unsuscrib": "unsuscrib", "unsubscribexd": "unsubscribexd", "unsbuscrieb": "unsbuscrieb", "unsub": "",
		"отписатся": "отписатся", "İPTLA": "iptla", "الغاء الاشتراق": "الغاء الاشتراق", "abmleden": "abmleden",
		"stop texting me": "stop texting me", "Unsubscribe me from this": "unsubscribe me from this", "don't stop": "don't stop", "please, stop it": "stop it",
		"can you stop, please?": "can you stop", "pls remove me now": "remove me now", "make it stop all now": "make it stop all now",
		"do not ever stop writing us": "", "when does it end and why": "", "stopping by": "", "nonstop party": "",
		"hello": "", "yes": "", "": "", "🛑": "", "thanks": "", "ok?": "", "end.": "", "ned": "", "qiut": "qiut", "tdd": "",
		"stop 4477009": "", "stop ada@example.com": "", "stop www.example": "", "stop https://e": "", "stop ada.lovelace": "", "stop it.": "stop it", "1 stop": "",
		"stop aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": "",
	} {
		forms := optout.Candidates([]string{text})
		if heard, _ := l.Hear("wa", forms); heard != nil {
			continue // "end.": what is heard is no near miss
		}
		got, lists := l.Near("wa", forms)
		if got != want || (want == "") != (len(lists) == 0) {
			t.Errorf("%q: %q of %v, not %q", text, got, lists, want)
		}
	}
	for _, c := range []struct {
		channel, text string
		lists         []string
	}{
		{"wa", "iptall", []string{"turkish"}}, {"wb", "no prmo", []string{"promo"}}, {"wa", "no prmo", nil}, {"wa", "cancell", []string{"default"}},
		{"wb", "promotio", nil},
	} {
		if _, lists := l.Near(c.channel, optout.Candidates([]string{c.text})); !slices.Equal(lists, c.lists) {
			t.Errorf("%s on %s: %v, not %v", c.text, c.channel, lists, c.lists)
		}
	}
}

func (w *world) near(list string) (m optout.NearMisses) {
	w.t.Helper()
	if raw := w.states[w.shards.Account("acme")][optout.NearKey("acme", list)]; raw != nil {
		if err := json.Unmarshal(raw, &m); err != nil {
			w.t.Fatalf("%v", err)
		}
	}
	return m
}

func (w *world) miss(text string, count int, at int64, lists ...string) {
	w.t.Helper()
	near := optout.Near{Misses: []optout.ListedNear{{NearMiss: optout.NearMiss{Text: text, Count: count, First: at, Last: at}, Lists: lists}}}
	r, err := near.Record(w.shards, "n", "acme", 1)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	w.append(r)
	w.settle()
}

func TestNearMissesAreCountedAndTheOldestGivesWay(t *testing.T) {
	w := declared(t)
	w.miss("sotp", 2, 50, "default", "gone")
	w.miss("sotp", 1, 40, "default")
	w.miss("stop", 1, 40, "default") // is a word
	if got := w.near("default").Texts; len(got) != 1 || got[0] != (optout.NearMiss{Text: "sotp", Count: 3, First: 40, Last: 50}) {
		t.Errorf("%+v", got)
	}
	if w.near("gone").Texts != nil {
		t.Error("a list that isn't there")
	}
	for i := range 250 {
		w.miss(fmt.Sprintf("stop x%s", strings.Repeat("y", i)), 1, int64(100+i), "default")
	}
	got := w.near("default").Texts
	if len(got) != 200 || slices.ContainsFunc(got, func(m optout.NearMiss) bool { return m.Last < 150 }) {
		t.Errorf("%d texts", len(got))
	}
}

func TestAnAdoptedTextIsAWordAndNoNearMiss(t *testing.T) {
	w := declared(t)
	w.create("c", `{"name":"News","keywords":["halt"],"optin_keywords":["hallo"]}`)
	for _, text := range []string{"hald", "hallo", "hatl"} {
		w.miss(text, 1, 10, "news")
	}
	adopt := func(id, text string) string {
		a := w.order(id, optout.CommandListChange, optout.ListChange{List: "news", Adopt: text})
		return a.Code
	}
	if code := adopt("a1", "nothing"); code != optout.CodeUnknownText {
		t.Errorf("%q", code)
	}
	if code := adopt("a2", "HALD!"); code != "" || !slices.Equal(w.lists()["news"].Keywords, []string{"halt", "hald"}) {
		t.Errorf("%q %+v", code, w.lists()["news"])
	}
	if code := adopt("a3", "hald"); code != optout.CodeUnknownText {
		t.Errorf("twice: %q", code)
	}
	w.alter("p", "news", `{"keywords":["halt","hatl"]}`) // adopted by hand
	if left := w.near("news").Texts; len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	w.miss("hold", 1, 10, "news")
	w.drop("x", "news", "News")
	if left := w.near("news").Texts; left != nil {
		t.Errorf("a deleted list's: %+v", left)
	}
}

// FuzzNear holds that a near miss is one of the forms asked about, short, without digits, and never what a list hears.
func FuzzNear(f *testing.F) {
	l := lexicon(f, account(optout.List{ID: "odd", Keywords: []string{"a.b c", "ほしい", "--x--"}, Channels: []string{"*"}}))
	for _, text := range []string{"sotp", "don't stop", "unsubscribe me", "stop. 12", "x", "  ", "отписатся"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		forms := optout.Candidates([]string{text})
		got, lists := l.Near("wa", forms)
		if (got == "") != (lists == nil) || got != "" && (!slices.Contains(forms, got) || len([]rune(got)) > 50 || strings.ContainsAny(got, "0123456789@/")) {
			t.Fatalf("%q: %q of %v", text, got, lists)
		}
	})
}

// BenchmarkNear is what a message costs that nobody hears: nearly every one.
func BenchmarkNear(b *testing.B) {
	l := lexicon(b, account())
	for name, text := range map[string]string{
		"sentence": "Hello, is the order of yesterday on its way?", "short": "ok thanks a lot", "word": "hello", "near": "unsubcribe",
	} {
		forms := optout.Candidates([]string{text})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Near("wa", forms)
			}
		})
	}
}
