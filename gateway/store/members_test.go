package store_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"optgate/gateway/store"
	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	contacts "optgate/pipeline/contact"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/segment"
	"optgate/pipeline/shard"
)

// crowd is people of whom each has some identifiers, linked, and maybe a contact under the first.
type crowd struct {
	people  [][]segment.Alias
	changes [][]shard.Change // by shard
	of      map[chat.Identifier]int
	wrote   []channel.Contact
}

func change(key string, state any) shard.Change {
	raw, err := json.Marshal(state)
	if err != nil {
		panic(err)
	}
	return shard.Change{Key: key, New: raw}
}

// newCrowd draws people. Opt-outs are on every identifier of a person, as travels leave them.
func newCrowd(chance *rand.Rand, n int, now time.Time) *crowd {
	c := &crowd{changes: make([][]shard.Change, testShards), of: map[chat.Identifier]int{}}
	some := func() bool { return chance.IntN(2) == 0 }
	for i := range n {
		ids := []chat.Identifier{chat.Identifier(fmt.Sprintf("phone:4477009%05d", i))}
		switch chance.IntN(5) {
		case 0:
			ids = append(ids, chat.Identifier(fmt.Sprintf("bsuid:GB.%d", i)))
		case 1:
			ids = append(ids, chat.Identifier(fmt.Sprintf("bsuid:GB.%d", i)), chat.Identifier(fmt.Sprintf("phone:4477008%05d", i)))
		case 2:
			ids = []chat.Identifier{chat.Identifier(fmt.Sprintf("email:p%d@example.com", i))}
		}
		var entries []optout.Entry
		for _, list := range []string{"news", "promo"} {
			if some() {
				entries = append(entries, optout.Entry{List: list, Channel: []string{"wa", "wb", "*"}[chance.IntN(3)], Out: 2, In: chance.Int64N(4)})
			}
		}
		var person []segment.Alias
		for at, id := range ids {
			a := segment.Alias{Ref: optout.Ref{ID: id, P: testKey.Pseudonym(id)}, Person: optout.Person{V: 1, ID: id, Entries: entries}}
			for other, linked := range ids {
				if other != at && (other == 1 || at == 1) { // a chain, not a clique
					a.Person.Links = append(a.Person.Links, optout.Link{P: testKey.Pseudonym(linked), Since: 1, By: "webhook"})
				}
			}
			home := testShards.Of(a.Ref.P)
			if some() || len(a.Person.Links) > 0 || len(entries) > 0 {
				c.changes[home] = append(c.changes[home], change(optout.PersonKey("acme", a.Ref.P), a.Person))
			}
			if at == 0 && some() {
				a.Contact = &contacts.Contact{V: 1, Who: []optout.Ref{a.Ref}, Attributes: map[string]string{"table": fmt.Sprint(chance.IntN(3))}}
				if some() {
					a.Contact.Tags = []string{"vip"}
				}
				if some() {
					a.Contact.Categories = []string{"guests"}
				}
				c.changes[home] = append(c.changes[home], change(contacts.Key("acme", a.Ref.P), a.Contact))
			}
			if id.Kind() != chat.KindEmail && some() {
				a.Wrote = now.Add(-time.Duration(chance.IntN(30)) * time.Hour).UnixMilli()
				c.wrote = append(c.wrote, channel.Contact{Account: "acme", Channel: "wa", ID: id, Pseudonym: a.Ref.P, At: a.Wrote})
			}
			person, c.of[id] = append(person, a), i
		}
		c.people = append(c.people, person)
	}
	home := testShards.Account("acme")
	c.changes[home] = append(c.changes[home], change(optout.AccountKey("acme"), optout.Account{V: 1, ID: "acme", Key: testKey}))
	return c
}

func drawSegment(chance *rand.Rand) segment.Segment {
	s := segment.Segment{Account: "acme", Match: []segment.Match{segment.All, segment.Any}[chance.IntN(2)]}
	for range 1 + chance.IntN(3) {
		s.Conditions = append(s.Conditions, []segment.Condition{
			{Tag: "vip"}, {Category: "guests"}, {List: "news"}, {List: "promo"}, {Within: 1 + chance.IntN(23)},
			{Attribute: &segment.Attribute{Name: "table", Value: "1"}}, {Tag: "nobody has it"},
		}[chance.IntN(7)])
	}
	return s
}

// TestASegmentHoldsEachPersonOnce compares random segments with what each person, known whole, has.
func TestASegmentHoldsEachPersonOnce(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		chance, now := rand.New(rand.NewPCG(6, 7)), time.Now().Add(-30*time.Minute) // between full hours
		c := newCrowd(chance, 1500, now)
		for at := range int(testShards) {
			lead(t, s, at, 1).move(time.Minute, c.changes[at]...)
		}
		if err := s.NoteContacts(t.Context(), c.wrote); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			of := drawSegment(chance)
			said, _ := json.Marshal(of)
			m := segment.Moment{Channel: "wa", Now: time.Now().UnixMilli()}
			var want []int
			for i, person := range c.people {
				if of.Holds(m, person) && person[0].Ref.ID.Kind() != chat.KindEmail {
					want = append(want, i)
				}
			}
			var got []int
			err := s.Members(t.Context(), of, "wa", func(ids []chat.Identifier) error {
				for _, id := range ids {
					who, known := c.of[id]
					if !known || id.Kind() == chat.KindEmail {
						t.Errorf("%s: %s is written to", said, id.Kind())
					}
					if person := c.people[who]; person[0].Contact != nil && id != person[0].Ref.ID {
						t.Errorf("%s: a contact is written to by another identifier", said)
					}
					got = append(got, who)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d people, not %d", said, len(got), len(want))
			}
		}
	})
}

func TestASegmentIsNotCountedWithoutCertainty(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		c := newCrowd(rand.New(rand.NewPCG(1, 1)), 50, time.Now())
		away := (testShards.Account("acme") + 1) % int(testShards)
		for at := range int(testShards) {
			if at != away {
				lead(t, s, at, 1).move(time.Minute, c.changes[at]...)
			}
		}
		of := segment.Segment{Account: "acme", Match: segment.Any, Conditions: []segment.Condition{{List: "news"}}}
		err := s.Members(t.Context(), of, "wa", func([]chat.Identifier) error { return nil })
		if fault.KindOf(err) != fault.NotCertain {
			t.Errorf("with a shard away: %v", err)
		}
		if _, err := s.Segments(t.Context(), "acme"); err != nil {
			t.Error(err)
		}
		if _, err := s.Segment(t.Context(), "acme", "none"); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
	})
}

// TestContactsArePagedOnceEach pages by name and by tag, with small pages and large ones, while contacts come and go.
func TestContactsArePagedOnceEach(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		c := newCrowd(rand.New(rand.NewPCG(3, 4)), 600, time.Now())
		owners := make([]*owner, testShards)
		for at := range owners {
			owners[at] = lead(t, s, at, 1)
			owners[at].move(time.Minute, c.changes[at]...)
		}
		page := func(search contacts.Search, limit int) (ids []chat.Identifier) {
			t.Helper()
			for after := ""; ; {
				some, next, err := s.ContactPage(t.Context(), "acme", search, after, limit)
				if err != nil || len(some) > limit {
					t.Fatal(len(some), err)
				}
				for _, one := range some {
					ids = append(ids, one.Who[0].ID)
				}
				if after = next; after == "" {
					slices.Sort(ids)
					return ids
				}
			}
		}
		want := func(has func(contacts.Contact) bool) (ids []chat.Identifier) {
			for _, person := range c.people {
				if person[0].Contact != nil && has(*person[0].Contact) {
					ids = append(ids, person[0].Ref.ID)
				}
			}
			slices.SortFunc(ids, cmp.Compare)
			return ids
		}
		all := func(contacts.Contact) bool { return true }
		vips := func(c contacts.Contact) bool { return c.HasTag("vip") }
		both := func(c contacts.Contact) bool { return c.HasTag("vip") && c.HasCategory("guests") }
		part := optout.NewSearch("00012", "")
		f := func(name string, search contacts.Search, has func(contacts.Contact) bool) {
			t.Helper()
			for _, limit := range []int{1, 7, 1000} {
				if got, want := page(search, limit), want(has); !slices.Equal(got, want) {
					t.Errorf("%s by %d: %d, not %d", name, limit, len(got), len(want))
				}
			}
		}
		f("all", contacts.Search{}, all)
		f("a tag", contacts.Search{Tag: "vip"}, vips)
		f("tag and category", contacts.Search{Tag: "vip", Category: "guests"}, both)
		f("a part of a number", contacts.Search{Who: part}, func(c contacts.Contact) bool { return part.Finds(c.Who[0].ID, "") })
		for i, person := range c.people { // every other contact goes, and the others lose their tag
			if person[0].Contact == nil {
				continue
			}
			before := change(contacts.Key("acme", person[0].Ref.P), person[0].Contact)
			after := shard.Change{Key: before.Key, Old: before.New}
			if i%2 == 0 {
				person[0].Contact.Tags = nil
				after.New = change("", person[0].Contact).New
			} else {
				person[0].Contact = nil
			}
			owners[testShards.Of(person[0].Ref.P)].move(time.Minute, after)
		}
		f("what is left", contacts.Search{}, all)
		f("no tag", contacts.Search{Tag: "vip"}, vips)
		ids := want(all)
		found, err := s.Contacts(t.Context(), "acme", append(ids, "phone:1"))
		if err != nil || len(found) != len(ids) {
			t.Errorf("%d of %d: %v", len(found), len(ids), err)
		}
	})
}
