package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"optgate/gateway/meta/fake"
)

// crowd is the people of the demo and all that they send. Everybody's number is one of those that Ofcom keeps for drama.
type crowd struct {
	people  []string          // digits of their phones
	typed   map[string]bool   // who opts out by a word or a button
	barred  map[string]bool   // the same, and who switched marketing off inside WhatsApp
	late    map[string]bool   // who opts out while the broadcast runs
	phoneOf map[string]string // by BSUID, of those who show both and then the BSUID alone
	sends   []webhook
	lateOut []webhook

	clock time.Time // of the next message, so that no two are alike
}

const (
	peopleInDemo = 300
	talkative    = 220 // people who send something harmless
	stopEvery    = 8   // of them, somebody opts out
	switchOff    = 4   // so many of those inside WhatsApp
	lateStops    = 5
	lowestPhone  = 447700900000
)

// newCrowd makes the people, and what they send, in a fixed order.
func newCrowd() *crowd {
	c := &crowd{
		typed: map[string]bool{}, barred: map[string]bool{}, late: map[string]bool{}, phoneOf: map[string]string{},
		clock: time.Now().Add(-time.Minute),
	}
	for n := range peopleInDemo {
		c.people = append(c.people, strconv.Itoa(lowestPhone+n))
	}
	for n := range talkative {
		c.send(c.harmless(n, c.people[n]))
		if n%stopEvery == 0 {
			c.stop(n / stopEvery)
		}
	}
	for n := range 10 {
		c.send(c.batch(n)...)
	}
	for _, platform := range []fake.Number{{Platform: "messenger", ID: pageID}, {Platform: "instagram", ID: instagramID}} {
		c.send(fake.Direct(platform, fake.Person{ID: "9001"}, "Hello", c.tick()))
	}
	for _, phone := range c.people[peopleInDemo-lateStops:] {
		c.late[phone] = true
		c.lateOut = append(c.lateOut, pack(fake.Text(whatsapp(), fake.Person{Phone: phone}, "STOP", time.Now())))
	}
	return c
}

// whatsapp is the demo's number, as webhooks name it.
func whatsapp() fake.Number {
	return fake.Number{ID: phoneNumberID, WABA: wabaID, Display: "15550140001"}
}

func (c *crowd) tick() time.Time {
	c.clock = c.clock.Add(time.Millisecond)
	return c.clock
}

// harmless makes the n-th message that opts nobody out, of each kind in turn.
func (c *crowd) harmless(n int, phone string) fake.Event {
	to, from, at := whatsapp(), fake.Person{Phone: phone}, c.tick()
	kinds := []func() fake.Event{
		func() fake.Event { return fake.Text(to, from, "Good morning 👋", at) },
		func() fake.Event { return fake.Text(to, from, "Please don't stop", at) },
		func() fake.Event { return fake.Text(to, from, "I will stop by tomorrow", at) },
		func() fake.Event { return fake.Button(to, from, "Tell me more", at) },
		func() fake.Event { return fake.ButtonReply(to, from, "Yes", at) },
		func() fake.Event { return fake.ListReply(to, from, "Size M", at) },
		func() fake.Event { return fake.Caption(to, from, "the last stop before the sea", at) },
		func() fake.Event { return fake.Edit(to, from, "Good evening", at) },
		func() fake.Event { return fake.Reaction(to, from, "🛑", at) },
		func() fake.Event { return fake.Group(to, from, "STOP", at) },
		func() fake.Event { return fake.Forwarded(to, from, "STOP", at) },
		func() fake.Event { return fake.History(to, fake.Text(to, from, "STOP", at)) },
		func() fake.Event { return fake.Echo(to, from, "STOP", at) },
		func() fake.Event { return fake.Management(to, "a_field_of_tomorrow", map[string]any{"event": "NEW"}) },
	}
	return kinds[n%len(kinds)]()
}

// stop makes the n-th of those who opt out do so: by Meta's switch, by a word or a button, or under a BSUID that was
// shown beside the phone before.
func (c *crowd) stop(n int) {
	phone := c.people[stopEvery*n]
	to, from := whatsapp(), fake.Person{Phone: phone}
	c.barred[phone] = true
	if n < switchOff {
		c.send(fake.Preference(to, from, true, c.tick()))
		return
	}
	c.typed[phone] = true
	if n%7 == 0 {
		from.BSUID = fmt.Sprintf("GB.90210%015d", n)
		c.phoneOf[from.BSUID] = phone
		c.send(fake.Text(to, from, "It is me", c.tick()))
		c.send(fake.Text(to, fake.Person{BSUID: from.BSUID}, "STOP", c.tick()))
		return
	}
	words := []string{"STOP", "  stop! ", "Stop please", "unsubscribe", "Arrêt", "désabonner", "СТОП", "отписаться", "baja",
		"parar", "SAIR", "basta", "afmelden", "Stopp", "abmelden", "berhenti", "opt out"}
	word := words[n%len(words)]
	switch n % 6 {
	case 0:
		c.send(fake.ButtonReply(to, from, word, c.tick()))
	case 1:
		c.send(fake.Button(to, from, word, c.tick()))
	case 2:
		c.send(fake.Standby(fake.Text(to, from, word, c.tick())))
	case 3:
		c.send(fake.Caption(to, from, word, c.tick()))
	default:
		c.send(fake.Text(to, from, word, c.tick()))
	}
}

// batch makes several events of one webhook, some with garbage among them.
func (c *crowd) batch(n int) []fake.Event {
	var events []fake.Event
	for i := range 5 {
		events = append(events, c.harmless(n+i, c.people[talkative+n]))
	}
	if n%3 == 0 {
		events[2] = fake.Odd(whatsapp(), map[string]any{"id": "wamid.garbage", "from": []any{"nobody"}, "type": 7})
	}
	return events
}

func (c *crowd) send(events ...fake.Event) { c.sends = append(c.sends, pack(events...)) }

// phone gives the digits of a person, whichever of their identifiers is shown.
func (c *crowd) phone(shown string) string {
	if phone, ok := c.phoneOf[shown]; ok {
		return phone
	}
	return strings.TrimPrefix(shown, "+")
}

// recipients gives everybody, as a broadcast takes them.
func (c *crowd) recipients() []any {
	var all []any
	for _, digits := range c.people {
		all = append(all, map[string]any{"to": "+" + digits, "params": map[string]any{"name": "Ada " + digits[len(digits)-3:]}})
	}
	return all
}

// pack writes a webhook of some events.
func pack(events ...fake.Event) webhook {
	w := webhook{body: fake.Body(events...)}
	for _, e := range events {
		if e.ID != "" {
			w.ids = append(w.ids, e.ID)
		}
	}
	return w
}
