package segment_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/contact"
	"optgate/pipeline/optout"
	"optgate/pipeline/segment"
	"optgate/pipeline/shard"
)

func TestAPersonIsInASegmentByAllIdentifiersTogether(t *testing.T) {
	m := segment.Moment{Channel: "wa", Now: 100 * 3_600_000}
	on := func(list, channel string) optout.Person {
		return optout.Person{Entries: []optout.Entry{{List: list, Channel: channel, Out: 1}}}
	}
	phone := segment.Alias{Contact: &contact.Contact{Tags: []string{"vip"}, Categories: []string{"guests"}, Attributes: map[string]string{"table": "7"}}}
	user := segment.Alias{Person: on("news", "*"), Wrote: 99 * 3_600_000}
	elsewhere := segment.Alias{Person: on("news", "other")}
	f := func(match segment.Match, conditions string, person []segment.Alias, want bool) {
		t.Helper()
		s := segment.Segment{Match: match}
		if err := json.Unmarshal([]byte(conditions), &s.Conditions); err != nil {
			t.Fatal(err)
		}
		if got := s.Holds(m, person); got != want {
			t.Errorf("%s of %s: %v", match, conditions, got)
		}
	}
	both := []segment.Alias{phone, user}
	f("all", `[{"tag":"vip"},{"list":"news"},{"within":2}]`, both, true) // one identifier is on the list, the other has the tag
	f("all", `[{"tag":"vip"},{"list":"promo"}]`, both, false)
	f("any", `[{"tag":"none"},{"list":"promo"}]`, both, false)
	f("any", `[{"tag":"none"},{"category":"guests"}]`, both, true)
	f("all", `[{"attribute":{"name":"table","value":"7"}}]`, both, true)
	f("all", `[{"attribute":{"name":"table","value":""}}]`, both, false)
	f("all", `[{"within":1}]`, both, false) // an hour and no more
	f("all", `[{"list":"news"}]`, []segment.Alias{elsewhere}, false)
	f("all", `[]`, both, false) // nobody asked for everybody
	f("any", `[]`, both, false)
	f("all", `[{}]`, both, false)
}

func TestOfConditionsThatAllHoldTheNarrowestLeads(t *testing.T) {
	s := segment.Segment{Match: segment.All, Conditions: []segment.Condition{
		{Attribute: &segment.Attribute{Name: "a"}}, {List: "news"}, {Category: "guests"}, {Tag: "vip"}, {Within: 24}, {Within: 3},
	}}
	if s.Within() != 3 || len(s.Leads()) != 1 || s.Leads()[0].Within == 0 {
		t.Errorf("%+v", s.Leads())
	}
	s.Conditions = s.Conditions[:3]
	if s.Leads()[0].Category != "guests" || s.Within() != 0 {
		t.Errorf("%+v", s.Leads())
	}
	if s.Match = segment.Any; len(s.Leads()) != 3 {
		t.Errorf("%+v", s.Leads())
	}
}

func TestWrongFieldsOfASegmentAreAllNamed(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		fields, wrong, err := segment.Parse([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		var got []string
		for _, w := range append(wrong, fields.Apply(segment.Segment{}).Wrong()...) {
			got = append(got, w.Field+" "+w.Code)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
	f(`{"name":"N","conditions":[{"tag":"vip"}]}`)
	f(`{}`, "name required", "conditions out_of_range")
	f(`{"name":5,"match":"some","conditions":[],"more":1}`, "more unknown_field", "name wrong_type", "name required", "match unknown_match", "conditions out_of_range")
	f(`{"name":"N","conditions":[{"tag":"vip","list":"news"},{},{"within":25},{"within":-1},{"attribute":{"name":"","value":"x"}},{"tag":" x"}]}`,
		"conditions[0] one_of", "conditions[1] one_of", "conditions[0] one_of", "conditions[1] one_of", "conditions[2].within out_of_range",
		"conditions[3].within out_of_range", "conditions[4].attribute.name invalid_name", "conditions[5].tag invalid_name")
	f(`{"name":"N","conditions":[{"tag":""}]}`, "conditions[0] one_of")
	f(`{"name":"`+strings.Repeat("n", 51)+`","conditions":[{"list":"news"}]}`, "name too_long")
	for _, body := range []string{``, `[]`, `null`, `{} {}`, `{"name"`} {
		if _, _, err := segment.Parse([]byte(body)); err == nil {
			t.Errorf("%s is read", body)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"name":"N","match":"any","conditions":[{"tag":"vip"},{"attribute":{"name":"a","value":"b"}},{"within":3}]}`))
	f.Add([]byte(`{"conditions":[null,{"list":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, wrong, err := segment.Parse(body)
		s := fields.Apply(segment.Segment{})
		if err != nil || len(wrong) > 0 || len(s.Wrong()) > 0 {
			return
		}
		if n := len(s.Conditions); n == 0 || n > segment.MaxConditions || s.Within() > segment.MaxWithin || len(s.Leads()) == 0 {
			t.Errorf("%s is a segment", body)
		}
	})
}

// world is one shard in memory.
type world struct {
	t      *testing.T
	states map[string][]byte
}

func (w *world) fold(id, kind string, body any) (answer shard.Answer, s segment.Segment) {
	w.t.Helper()
	c, err := shard.NewCommand(id, kind, "acme", 7, body)
	if err != nil {
		w.t.Fatal(err)
	}
	rule, place := segment.Rules()[kind], shard.Place{Shards: 1}
	keys, err := rule.Keys(place, c)
	if err != nil {
		w.t.Fatal(err)
	}
	loaded := map[string][]byte{}
	for _, k := range keys {
		loaded[k] = w.states[k]
	}
	turn := shard.NewTurn(place, loaded, nil)
	if err := rule.Apply(turn, c); err != nil {
		w.t.Fatal(err)
	}
	changed, _, _ := turn.Said()
	maps.Copy(w.states, changed)
	if err := json.Unmarshal(w.states[shard.AnswerKey(id)], &answer); err != nil {
		w.t.Fatal(err)
	}
	raw, err := json.Marshal(answer.Value)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = json.Unmarshal(raw, &s) // of a refusal nothing
	return answer, s
}

func fields(t *testing.T, body string) segment.Fields {
	t.Helper()
	f, wrong, err := segment.Parse([]byte(body))
	if err != nil || len(wrong) > 0 {
		t.Fatal(err, wrong)
	}
	return f
}

func TestSegmentsAreSavedUnderNamesOfTheirOwn(t *testing.T) {
	w := &world{t, map[string][]byte{}}
	vips := fields(t, `{"name":"Vips","conditions":[{"tag":"vip"}]}`)
	_, made := w.fold("1", segment.CommandCreate, segment.Create{ID: "a", Fields: vips})
	if made.Match != segment.All || made.Account != "acme" || made.Created != 7 {
		t.Errorf("%+v", made)
	}
	if said, _ := w.fold("2", segment.CommandCreate, segment.Create{ID: "b", Fields: fields(t, `{"name":"VIPS","conditions":[{"tag":"x"}]}`)}); said.Code != segment.CodeNameTaken {
		t.Errorf("%+v", said)
	}
	w.fold("3", segment.CommandCreate, segment.Create{ID: "b", Fields: fields(t, `{"name":"Guests","match":"any","conditions":[{"tag":"x"}]}`)})
	if said, _ := w.fold("4", segment.CommandChange, segment.Change{ID: "b", Fields: fields(t, `{"name":"vips"}`)}); said.Code != segment.CodeNameTaken {
		t.Errorf("%+v", said)
	}
	if said, same := w.fold("5", segment.CommandChange, segment.Change{ID: "a", If: []string{made.Tag()}, Fields: vips}); !said.OK || same.Revision != made.Revision {
		t.Errorf("%+v", said)
	}
	_, changed := w.fold("6", segment.CommandChange, segment.Change{ID: "a", If: []string{made.Tag()}, Fields: fields(t, `{"conditions":[{"within":3}]}`)})
	if changed.Name != "Vips" || changed.Within() != 3 || changed.Revision != 2 {
		t.Errorf("%+v", changed)
	}
	if said, _ := w.fold("7", segment.CommandDelete, segment.Delete{ID: "a", If: []string{made.Tag()}}); said.Code != segment.CodeStale {
		t.Errorf("%+v", said)
	}
	if said, _ := w.fold("8", segment.CommandDelete, segment.Delete{ID: "a"}); !said.OK {
		t.Errorf("%+v", said)
	}
	if said, _ := w.fold("9", segment.CommandDelete, segment.Delete{ID: "a"}); said.Code != segment.CodeUnknown {
		t.Errorf("%+v", said)
	}
	if said, again := w.fold("1", segment.CommandCreate, segment.Create{ID: "a", Fields: vips}); !said.OK || again.ID != "a" { // is delivered again
		t.Errorf("%+v", said)
	}
	var all segment.Segments
	if err := json.Unmarshal(w.states[segment.SegmentsKey("acme")], &all); err != nil || len(all.Segments) != 1 || all.Segments[0].ID != "b" {
		t.Errorf("%+v %v", all, err)
	}
}
