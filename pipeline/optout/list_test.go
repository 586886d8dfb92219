package optout_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// order appends a command about lists, folds it, and gives the answer.
func (w *world) order(id, kind string, body any) (a shard.Answer) {
	w.t.Helper()
	c, err := shard.NewCommand(id, kind, "acme", 2_000, body)
	if err != nil {
		w.t.Fatalf("%s: %v", kind, err)
	}
	at := w.shards.Account("acme")
	r, err := c.Record(at)
	if err != nil {
		w.t.Fatalf("%s: %v", kind, err)
	}
	w.append(r)
	w.settle()
	if err := json.Unmarshal(w.states[at][shard.AnswerKey(id)], &a); err != nil {
		w.t.Fatalf("answer to %s: %v", kind, err)
	}
	return a
}

// lists gives the account's lists by id.
func (w *world) lists() map[string]optout.List {
	w.t.Helper()
	all := map[string]optout.List{}
	for _, l := range w.account().Lists {
		all[l.ID] = l
	}
	return all
}

func (w *world) account() (a optout.Account) {
	w.t.Helper()
	if err := json.Unmarshal(w.states[w.shards.Account("acme")][optout.AccountKey("acme")], &a); err != nil {
		w.t.Fatalf("account: %v", err)
	}
	return a
}

func patch(t fataler, text string) optout.ListPatch {
	t.Helper()
	p, wrong, err := optout.ParseListPatch([]byte(text))
	if err != nil || len(wrong) > 0 {
		t.Fatalf("%s: %v %v", text, wrong, err)
	}
	return p
}

func (w *world) create(id, text string) shard.Answer {
	w.t.Helper()
	return w.order(id, optout.CommandListCreate, optout.ListCreate{Fields: patch(w.t, text)})
}

func (w *world) alter(id, list, text string, tags ...string) shard.Answer {
	w.t.Helper()
	return w.order(id, optout.CommandListChange, optout.ListChange{List: list, If: tags, Fields: patch(w.t, text)})
}

func (w *world) drop(id, list, name string, tags ...string) shard.Answer {
	w.t.Helper()
	return w.order(id, optout.CommandListDelete, optout.ListDelete{List: list, Name: name, If: tags})
}

func declared(t *testing.T) *world {
	w := newWorld(t, 3)
	w.declare("d", key, optout.DeclaredChannel{ID: "wa"})
	return w
}

func TestIDsAreReadableAndNeverGivenTwice(t *testing.T) {
	w := declared(t)
	for i, c := range [][2]string{
		{"Daily News", "daily-news"}, {"daily news!", "daily-news-2"}, {"  Été & Soldes ", "ete-soldes"}, {"Новости", "list"}, {"ニュース", "list-2"},
		{"ＳＡＬＥ", "sale"}, {"--- x ---", "x"}, {"default?", "default-2"}, {"meta.", "meta-2"}, {strings.Repeat("ab ", 16), "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-a"},
	} {
		name, err := json.Marshal(c[0])
		if err != nil {
			t.Fatal(err)
		}
		if a := w.create(fmt.Sprint("c", i), `{"name":`+string(name)+`}`); !a.OK {
			t.Fatalf("%q: %+v", c[0], a)
		}
		l, ok := w.lists()[c[1]]
		if !ok || l.Name != strings.TrimSpace(c[0]) || l.Scope != optout.ScopeChannel || !slices.Equal(l.Channels, []string{"*"}) || l.System {
			t.Errorf("%q: not %q: %+v", c[0], c[1], w.account().Lists)
		}
	}
	if a := w.drop("x", "daily-news-2", "daily news!"); !a.OK {
		t.Fatalf("%+v", a)
	}
	w.create("again", `{"name":"DAILY NEWS?"}`)
	if _, ok := w.lists()["daily-news-3"]; !ok || !slices.Equal(w.account().Gone, []string{"daily-news-2"}) {
		t.Errorf("an id was given again: %+v", w.account())
	}
}

func TestNamesDifferByMoreThanCase(t *testing.T) {
	w := declared(t)
	w.create("c1", `{"name":"Straße"}`)
	w.create("c2", `{"name":"News"}`)
	for i, name := range []string{"STRASSE", "straße", "DEFAULT", "news"} {
		if a := w.create(fmt.Sprint("n", i), `{"name":"`+name+`"}`); a.OK || a.Code != optout.CodeNameTaken {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := w.alter("p1", "news", `{"name":"Strasse"}`); a.Code != optout.CodeNameTaken {
		t.Errorf("%+v", a)
	}
	if a := w.alter("p2", "news", `{"name":"NEWS"}`); !a.OK || w.lists()["news"].Name != "NEWS" {
		t.Errorf("a list may write its own name in another way: %+v", a)
	}
}

// Two who saw the same list can't both win, whichever comes first.
func TestAChangeThatBuildsOnAnotherStateIsRefused(t *testing.T) {
	w := declared(t)
	w.create("c", `{"name":"News"}`)
	tag := w.lists()["news"].Tag()
	if a := w.alter("p1", "news", `{"description":"first"}`, "another", tag); !a.OK {
		t.Fatalf("%+v", a)
	}
	if a := w.alter("p2", "news", `{"description":"second"}`, tag); a.OK || a.Code != optout.CodeStale {
		t.Errorf("%+v", a)
	}
	if a := w.drop("x", "news", "News", tag); a.Code != optout.CodeStale {
		t.Errorf("%+v", a)
	}
	if l := w.lists()["news"]; l.Description != "first" || l.Tag() == tag {
		t.Errorf("%+v", l)
	}
	before := w.lists()["news"]
	if a := w.alter("p3", "news", `{"description":"first"}`); !a.OK || w.lists()["news"].Tag() != before.Tag() {
		t.Errorf("what changes nothing changed something: %+v", a)
	}
}

// Else a producer that repeats itself would refuse its own list.
func TestACommandIsDecidedOnce(t *testing.T) {
	w := declared(t)
	first := w.create("c", `{"name":"News"}`)
	again := w.create("c", `{"name":"News"}`)
	if !again.OK || again.Made != first.Made || len(w.account().Lists) != 3 {
		t.Errorf("%+v, lists %d", again, len(w.account().Lists))
	}
}

func TestAPatchMergesFieldByField(t *testing.T) {
	w := declared(t)
	w.create("c", `{"name":"News","description":"d","keywords":["No news"," no news "],"confirmation":"c","scope":"all","channels":["wa"],
		"languages":{"fr":{"keywords":["pas de nouvelles"],"confirmation":"au revoir"},"de":{"confirmation":"aus"},"nl":{}}}`)
	l := w.lists()["news"]
	if !slices.Equal(l.Keywords, []string{"No news", "no news"}) || len(l.Languages) != 2 || l.Revision != 1 {
		t.Errorf("%+v", l)
	}
	w.alter("p1", "news", `{"confirmation":null,"languages":{"fr":{"confirmation":"adieu"},"de":null}}`)
	l = w.lists()["news"]
	if l.Confirmation != "" || l.Description != "d" || l.Scope != "all" || len(l.Languages) != 1 ||
		l.Languages["fr"].Confirmation != "adieu" || !slices.Equal(l.Languages["fr"].Keywords, []string{"pas de nouvelles"}) {
		t.Errorf("%+v", l)
	}
	w.alter("p2", "news", `{"keywords":[],"scope":null,"channels":null,"languages":null}`)
	if l = w.lists()["news"]; len(l.Keywords) > 0 || l.Scope != "channel" || !slices.Equal(l.Channels, []string{"*"}) || len(l.Languages) > 0 {
		t.Errorf("%+v", l)
	}
}

func TestSystemListsChangeInWordsAndTextsAlone(t *testing.T) {
	w := declared(t)
	for i, c := range [][3]string{
		{"default", `{"name":"Mine"}`, optout.CodeSystemList}, {"meta", `{"name":"Mine"}`, optout.CodeSystemList},
		{"default", `{"channels":["wa"]}`, optout.CodeSystemList}, {"default", `{"name":"Default","channels":["*"]}`, ""},
		{"default", `{"keywords":[],"languages":{}}`, ""}, {"meta", `{"keywords":["x"]}`, optout.CodeInvalid},
		{"meta", `{"languages":{"fr":{"optin_keywords":["x"]}}}`, optout.CodeInvalid}, {"meta", `{"webhook_url":"https://example.com"}`, ""},
		{"default", `{"keywords":["halt"],"confirmation":"Bye","languages":{"fr":{"confirmation":"Adieu"}},"webhook_url":"https://example.com"}`, ""},
		{"nothing", `{}`, optout.CodeUnknownList},
	} {
		if a := w.alter(fmt.Sprint("p", i), c[0], c[1]); a.Code != c[2] {
			t.Errorf("%s %s: %+v", c[0], c[1], a)
		}
	}
	l := w.lists()["default"]
	if !slices.Equal(l.Keywords, []string{"halt"}) || l.Confirmation != "Bye" || l.Languages["fr"].Confirmation != "Adieu" || len(l.Languages["fr"].Keywords) == 0 {
		t.Errorf("%+v", l)
	}
	silence := `{"keywords":[],"languages":{`
	for code := range l.Languages {
		silence += `"` + code + `":null,`
	}
	if a := w.alter("silent", "default", strings.TrimSuffix(silence, ",")+`}}`); a.Code != optout.CodeInvalid {
		t.Errorf("Default hears nothing any more: %+v", a)
	}
	w.alter("back", "default", `{"keywords":null,"confirmation":null,"languages":null}`)
	system := optout.SystemLists()[0]
	if l = w.lists()["default"]; !slices.Equal(l.Keywords, system.Keywords) || l.Confirmation != system.Confirmation || len(l.Languages) != len(system.Languages) {
		t.Errorf("null brings back what the program brings: %+v", l)
	}
	for i, list := range []string{"default", "meta"} {
		if a := w.drop(fmt.Sprint("x", i), list, w.lists()[list].Name); a.Code != optout.CodeSystemList {
			t.Errorf("%s: %+v", list, a)
		}
	}
}

func TestALaterProgramBringsItsWordsWhereNobodyChangedThem(t *testing.T) {
	later := optout.SystemLists()
	later[0].Keywords, later[0].Confirmation = []string{"stop", "later"}, "Later."
	declare := func(w *world, id string, version int) {
		body, err := json.Marshal(optout.Declare{Key: key, Lists: later, System: version})
		if err != nil {
			t.Fatal(err)
		}
		r, err := shard.Command{ID: id, Kind: optout.CommandDeclare, Account: "acme", Made: 1, Body: body}.Record(w.shards.Account("acme"))
		if err != nil {
			t.Fatal(err)
		}
		w.append(r)
		w.settle()
	}
	w := declared(t)
	declare(w, "same", optout.SystemVersion)
	if w.lists()["default"].Confirmation == "Later." {
		t.Error("the same version changed a list")
	}
	declare(w, "later", optout.SystemVersion+1)
	if l := w.lists()["default"]; l.Confirmation != "Later." || !slices.Equal(l.Keywords, later[0].Keywords) || l.Revision != 0 {
		t.Errorf("%+v", l)
	}
	w.declare("earlier", key) // an older program beside it
	if w.lists()["default"].Confirmation != "Later." {
		t.Error("an earlier version took it back")
	}
	w = declared(t)
	w.alter("p", "default", `{"confirmation":"Mine."}`)
	declare(w, "later", optout.SystemVersion+1)
	if l := w.lists()["default"]; l.Confirmation != "Mine." || slices.Contains(l.Keywords, "later") {
		t.Errorf("what somebody had changed was changed: %+v", l)
	}
}

func TestADeletedListLeavesARowAndNobodyOnIt(t *testing.T) {
	w := declared(t)
	w.create("c", `{"name":"News","keywords":["no news"]}`)
	for i, id := range []string{ada, other} {
		w.change(fmt.Sprint("s", i), typed(true, int64(10+i), "news", id))
	}
	w.change("d", typed(true, 20, "default", ada))
	w.settle()
	if a := w.drop("x1", "news", "news"); a.OK || a.Code != optout.CodeConfirmName {
		t.Errorf("another name: %+v", a)
	}
	if a := w.drop("x2", "news", "News"); !a.OK {
		t.Fatalf("%+v", a)
	}
	ledger := w.ledger[w.shards.Account("acme")]
	row := ledger[len(ledger)-1]
	if row.List != "news" || row.Channel != "*" || row.Pseudonym != 0 || row.From != "out" || row.To != "in" || row.Source != optout.SourceListDeleted || row.Prev != optout.NoRow {
		t.Errorf("%+v", row)
	}
	if a := w.drop("x3", "news", "News"); a.Code != optout.CodeUnknownList {
		t.Errorf("%+v", a)
	}
	for range 2 { // a runner that died repeats itself
		w.empty("news", ada, other)
	}
	w.change("late", typed(true, 30, "news", other)) // was on its way
	w.settle()
	w.empty("news", other)
	if w.entry(ada, "news", "wa").Out != 0 || w.entry(other, "news", "wa").Out != 0 || !w.entry(ada, "default", "wa").Barred() {
		t.Errorf("%+v %+v", w.person(ada), w.person(other))
	}
	if raw := w.states[w.shards.Of(ref(other).P)][optout.PersonKey("acme", ref(other).P)]; raw != nil {
		t.Errorf("a state of nothing is left: %s", raw)
	}
}

// empty takes people off a deleted list as its runner does.
func (w *world) empty(list string, ids ...string) {
	w.t.Helper()
	n := 0
	for _, id := range ids {
		records, err := optout.ListEmpty{List: list, Who: []chat.Pseudonym{ref(id).P}}.Records(w.shards, func() string { n++; return fmt.Sprint("e", n) }, "acme", 1)
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		w.append(records...)
	}
	w.settle()
}

func TestEmptyingIsCutIntoCommandsAndNamesOnlyListsThatCanGo(t *testing.T) {
	n := chat.Shards(1)
	var who []chat.Pseudonym
	for i := range 450 {
		who = append(who, chat.Pseudonym(i))
	}
	records, err := optout.ListEmpty{List: "news", Who: who}.Records(n, func() string { return "e" }, "acme", 1)
	if err != nil || len(records) != 3 {
		t.Fatalf("%d commands, %v", len(records), err)
	}
	for _, list := range []string{"default", "meta", ""} {
		body := json.RawMessage(`{"list":"` + list + `","who":[1]}`)
		if _, err := optout.Rules()[optout.CommandListEmpty].Keys(shard.Place{Shards: n}, shard.Command{Account: "acme", Body: body}); err == nil {
			t.Errorf("%q was emptied", list)
		}
	}
}

func TestAnAccountHasAMostOfLists(t *testing.T) {
	w := declared(t)
	text := func(n int) string { return strings.Repeat("é", n) }
	words := func(tag string) string {
		var all []string
		for i := range 100 {
			all = append(all, fmt.Sprintf(`"%s%02d%s"`, tag, i, text(46)))
		}
		return strings.Join(all, ",")
	}
	full, made := false, 0
	for i := 0; i < 250 && !full; i++ {
		a := w.create(fmt.Sprint("c", i), fmt.Sprintf(`{"name":"n%d","keywords":[%s],"optin_keywords":[%s]}`, i, words("s"), words("o")))
		made++
		if full = !a.OK; full && a.Code != optout.CodeAccountFull {
			t.Fatalf("%+v", a)
		}
	}
	if state := w.states[w.shards.Account("acme")][optout.AccountKey("acme")]; !full || len(state) > 300<<10 {
		t.Errorf("%d bytes after %d lists", len(state), made)
	}
	w = declared(t)
	var last shard.Answer
	for i := range 199 {
		last = w.create(fmt.Sprint("c", i), fmt.Sprintf(`{"name":"n%d"}`, i))
	}
	if len(w.account().Lists) != 200 || last.Code != optout.CodeTooManyLists {
		t.Errorf("%d lists, %+v", len(w.account().Lists), last)
	}
}

func TestRefusedFieldsComeBackFromTheFold(t *testing.T) {
	w := declared(t)
	w.create("c", `{"name":"News","keywords":["halt"]}`)
	a := w.alter("p", "news", `{"optin_keywords":["HALT!"]}`)
	raw, err := json.Marshal(a.Value)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []fault.Field
	if err := json.Unmarshal(raw, &wrong); err != nil || len(wrong) != 1 || wrong[0].Field != "optin_keywords[0]" || wrong[0].Code != "ambiguous" {
		t.Errorf("%s %v", raw, err)
	}
}
