package meta

import (
	"bytes"
	"slices"
)

// Item is one thing that a webhook tells, kept as one record of inbound.
type Item struct {
	Key   []byte // an identifier it shows, as it shows it, which spreads the load over partitions; empty if none
	Field string // Meta's field; messaging or standby on Messenger and Instagram; "" where the item names none
	Kind  string // message, receipt, preference, identity, echo, history, error, call, group, contact, or other
	Value []byte // Meta's envelope with this one item
}

// The bounds of what goes along with each item of a batch; what passes them goes with the first item only.
const (
	maxFrame    = 4 << 10  // members around the item
	maxMember   = 1 << 10  // one of them, where all together are too many
	maxContacts = 16 << 10 // contacts
	maxKey      = 128
)

// AppendItems cuts a webhook's body into its items and appends them to a list, which can be used again: one for each message,
// status, preference, echo, error, call, group update or chunk of history, and one for each change that holds no such array; on
// Messenger and Instagram one for each element of messaging and standby. An item that nobody can understand is an item all
// the same.
//
// The only item of a body is that body, the very bytes. Where there are several, each has the envelope around it, with
// the contacts that show one of its identifiers and those that show no item's. Keys and values may share the body's memory.
//
// A control character that stands in a string as it is doesn't keep a body together: it spoils the item that it is in,
// whose record is no JSON then, and not its neighbours.
//
// The error is ErrNotJSON, ErrNotEnvelope, ErrEmpty or ErrTooMany: then there are no items, and the body is to be kept.
func AppendItems(items []Item, body []byte) ([]Item, error) {
	if item, ok := glance(body); ok {
		return append(items, item), nil
	}
	if !sound(body) {
		return items, ErrNotJSON
	}
	all, err := itemsOf(body)
	if err != nil {
		return items, err
	}
	for i := range all {
		f := &all[i]
		o := members(f.item)
		items = append(items, Item{Key: f.key(o), Field: f.field(), Kind: f.kind(), Value: body})
		if len(all) > 1 {
			f.shown = shownIn(o)
		}
	}
	if len(all) > 1 {
		envelopes(items[len(items)-len(all):], all)
	}
	return items, nil
}

// envelopes gives each of several items the envelope around it.
func envelopes(items []Item, all []found) {
	var w writer
	var before *place
	for i, f := range all {
		if f.place != before {
			before = f.place
			before.frame()
			before.index(all[i:])
		}
		newEntry := i == 0 || !sameEntry(all[i-1], f)
		w.Reset()
		f.render(&w, newEntry, newEntry || all[i-1].place != f.place)
		items[i].Value = bytes.Clone(w.Bytes())
	}
}

func sameEntry(a, b found) bool {
	return len(a.entry) > 0 && len(b.entry) > 0 && &a.entry[0] == &b.entry[0]
}

func (f found) kind() string {
	switch {
	case f.array != "":
		return lists[f.array]
	case f.list == "messaging" || f.list == "standby":
		return "message"
	}
	return other
}

func (f found) field() string {
	switch {
	case f.array != "":
		return f.change.text("field")
	case f.list == "changes":
		return members(f.item).text("field")
	}
	return f.list
}

// key gives an identifier that the item's members show.
func (f found) key(o object) []byte {
	person := "sender"
	if isTrue(o.object("message").get("is_echo")) {
		person = "recipient"
	}
	id := first(o.object(person).text("id"), o.object("value").object("sender").text("phone_number"))
	if f.array == "message_echoes" {
		id = first(id, o.text("to"), o.text("to_user_id"))
	}
	for _, name := range shownNames {
		if id != "" {
			break
		}
		id = o.text(name)
	}
	return []byte(id[:min(len(id), maxKey)])
}

// shownNames are the members by which a WhatsApp item or contact shows identifiers, those first that are likelier to be
// the person's own.
var shownNames = [...]string{
	"from", "wa_id", "recipient_participant_id", "participant_recipient_id", "recipient_id", "to",
	"from_user_id", "user_id", "recipient_user_id", "recipient_participant_user_id", "to_user_id",
	"from_parent_user_id", "parent_user_id", "recipient_parent_user_id", "parent_recipient_user_id",
	"recipient_participant_parent_user_id", "to_parent_user_id", "group_id",
}

// shownRanks gives the place of each of shownNames.
var shownRanks = func() map[string]int {
	ranks := map[string]int{}
	for i, name := range shownNames {
		ranks[name] = i
	}
	return ranks
}()

// shownIn gives the identifiers that a WhatsApp item or contact shows, as it shows them, in no order.
func shownIn(o object) []string {
	var shown []string
	for i, m := range o {
		if _, shows := shownRanks[m.key]; !shows || o.has(m.key, i+1) {
			continue
		}
		if id := scalar(m.value); id != "" {
			shown = append(shown, id)
		}
	}
	return shown
}

// index notes which contacts show whom, leaving to nobody those that no item of the place shows.
func (p *place) index(items []found) {
	if len(p.contacts) == 0 {
		return
	}
	p.people = map[string][]int{}
	wanted := map[string]bool{}
	for _, f := range items {
		if f.place != p {
			break
		}
		for _, id := range f.shown {
			wanted[id] = true
		}
	}
	size := 0
	for i, c := range p.contacts {
		nobodys := true
		for _, id := range shownIn(members(c)) {
			if wanted[id] {
				nobodys = false
				p.people[id] = append(p.people[id], i)
			}
		}
		if size += len(c); nobodys && size <= maxContacts {
			p.people[""] = append(p.people[""], i)
		}
	}
}

// belonging gives the contacts that go along with an item, in their order. An item that shows nobody gets none: it would
// pass for that contact's own.
func (f found) belonging() [][]byte {
	var numbers []int
	shows := false
	for _, id := range f.shown {
		numbers, shows = append(numbers, f.people[id]...), true
	}
	if !shows {
		return nil
	}
	numbers = append(numbers, f.people[""]...) // its own before nobody's
	var chosen []int
	size := 0
	for _, n := range numbers {
		if size += len(f.contacts[n]); size > maxContacts {
			break
		}
		chosen = append(chosen, n)
	}
	slices.Sort(chosen)
	var contacts [][]byte
	for _, n := range slices.Compact(chosen) {
		contacts = append(contacts, f.contacts[n])
	}
	return contacts
}
