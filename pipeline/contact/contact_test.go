package contact_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/chat"
	"optgate/pipeline/contact"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

func given[T any](value T) optout.Said[T] { return optout.Said[T]{Given: true, Value: value} }

func TestWhatIsNotGivenStays(t *testing.T) {
	w := newWorld(t)
	email, user := ref("email:ada@example.com"), ref("bsuid:GB.1")
	first := w.edit("1", 10, contact.One{Who: ref(ada), Fields: contact.Fields{
		Name: given("Ada"), Email: given(email), UserID: given(user), Tags: given([]string{"vip", "bar", "vip"}),
		AddCategories: []string{"guests"}, Attributes: map[string]*string{"table": new("7"), "bar": new("left")},
	}})
	if len(first) != 1 || !first[0].Created || first[0].Code != "" {
		t.Fatalf("%+v", first)
	}
	w.edit("2", 20, contact.One{Who: ref(ada), Fields: contact.Fields{
		AddTags: []string{"new"}, RemoveTags: []string{"bar", "unknown"}, Attributes: map[string]*string{"table": nil}, Email: given(optout.Ref{}),
	}})
	got, _ := w.there(ada)
	want := contact.Contact{
		V: 1, Who: []optout.Ref{ref(ada), user}, Name: "Ada", Tags: []string{"new", "vip"}, Categories: []string{"guests"},
		Attributes: map[string]string{"bar": "left"}, Created: 10, Updated: 20,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSayingTheSameAgainChangesNothingAndARepeatUndoesNothing(t *testing.T) {
	w := newWorld(t)
	one := contact.One{Who: ref(ada), Fields: contact.Fields{Name: given("Ada"), AddTags: []string{"vip"}}}
	w.edit("1", 10, one)
	before, _ := w.there(ada)
	if again := w.edit("2", 20, one); again[0].Created {
		t.Error("it is made again")
	}
	if after, _ := w.there(ada); after.Tag() != before.Tag() || after.Updated != 10 {
		t.Errorf("the same said again is a change: %+v", after)
	}
	w.edit("3", 30, contact.One{Who: ref(ada), Fields: contact.Fields{Name: given("Grace")}})
	w.edit("1", 10, one) // is delivered again
	if after, _ := w.there(ada); after.Name != "Grace" {
		t.Errorf("a repeat undid a change: %+v", after)
	}
}

func TestAContactIsChangedOnlyAsItWasSeen(t *testing.T) {
	w := newWorld(t)
	if said := w.edit("1", 10, contact.One{Who: ref(ada), There: true}); said[0].Code != contact.CodeUnknown {
		t.Errorf("%+v", said)
	}
	w.edit("2", 10, contact.One{Who: ref(ada)})
	seen, _ := w.there(ada)
	w.edit("3", 20, contact.One{Who: ref(ada), If: []string{seen.Tag()}, Fields: contact.Fields{Name: given("Ada")}})
	if said := w.edit("4", 30, contact.One{Who: ref(ada), If: []string{seen.Tag()}, Fields: contact.Fields{Name: given("Eve")}}); said[0].Code != contact.CodeStale {
		t.Errorf("%+v", said)
	}
	forget := func(id string, tags ...string) shard.Answer {
		c, err := shard.NewCommand(id, contact.CommandDelete, "acme", 40, contact.Delete{Who: ref(ada).P, If: tags})
		if err != nil {
			t.Fatal(err)
		}
		return w.fold(c)
	}
	if said := forget("5", seen.Tag()); said.Code != contact.CodeStale {
		t.Errorf("%+v", said)
	}
	if said := forget("6"); !said.OK {
		t.Errorf("%+v", said)
	}
	if said := forget("7"); said.Code != contact.CodeUnknown {
		t.Errorf("%+v", said)
	}
	w.edit("8", 50, contact.One{Who: ref(ada)})
	if said := forget("6"); !said.OK { // is delivered again
		t.Errorf("%+v", said)
	}
	if _, known := w.there(ada); !known {
		t.Error("a repeat deleted a contact that was made afterwards")
	}
}

func TestTheLimitsOfAContactAreOfItsWhole(t *testing.T) {
	w := newWorld(t)
	many := map[string]*string{}
	for i := range contact.MaxAttributes {
		many[fmt.Sprintf("a%d", i)] = new("x")
	}
	w.edit("1", 10, contact.One{Who: ref(ada), Fields: contact.Fields{Attributes: many}})
	if said := w.edit("2", 20, contact.One{Who: ref(ada), Fields: contact.Fields{Attributes: map[string]*string{"one more": new("")}}}); said[0].Code != contact.CodeTooMany {
		t.Errorf("%+v", said)
	}
	if said := w.edit("3", 20, contact.One{Who: ref(ada), Fields: contact.Fields{Attributes: map[string]*string{"other": new(""), "a0": nil}}}); said[0].Code != "" {
		t.Errorf("%+v", said)
	}
}

func TestWrongFieldsOfAContactAreAllNamed(t *testing.T) {
	long := strings.Repeat("ä", contact.MaxValue+1)
	f := contact.Fields{
		Name: given("a\nb"), AddTags: []string{"", " a", "a\x00", "fine"}, Categories: given(make([]string, contact.MaxCategories+1)),
		Attributes: map[string]*string{"": nil, "long": &long},
	}
	var got []string
	for _, wrong := range f.Wrong() {
		got = append(got, wrong.Field+" "+wrong.Code)
	}
	want := []string{
		"name control_character", "add_tags[0] invalid_name", "add_tags[1] invalid_name", "add_tags[2] invalid_name",
		"categories too_many", "attributes invalid_name", "attributes.long too_long",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := (contact.Edit{Edits: []contact.One{{Who: ref(ada), Fields: f}}}).Record(1, "1", "acme", 1); err == nil {
		t.Error("a command is made of wrong fields")
	}
}

func TestAKeyOfAContactIsReadAsItIsWritten(t *testing.T) {
	account, p, ok := contact.ParseKey(contact.Key("acme", 17))
	if account != "acme" || p != chat.Pseudonym(17) || !ok {
		t.Error(account, p, ok)
	}
	for _, key := range []string{"", "contact", "contact/acme", "contact/acme/x", "person/acme/17"} {
		if _, _, ok := contact.ParseKey(key); ok {
			t.Error(key)
		}
	}
}
