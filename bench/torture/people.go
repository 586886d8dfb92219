package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"optgate/gateway/meta/fake"
)

// saying is one thing that a person said or did, and what must follow from it.
type saying struct {
	key     string   // how inbound and events tell it from all others; "" where Meta gives it no id
	who     []string // identifiers that it shows, as "phone:…" and "bsuid:…"; all of them are one person's
	before  []string // and former ones, of a change of number
	list    string   // that it acts on; "": none
	out     bool     // it opts out, else in
	atMilli int64    // when it was said, as Meta tells it: to the second
}

// crowd makes people talk. The same seed makes the same people say the same, in the same order.
type crowd struct {
	random *rand.Rand
	number fake.Number
	people int
	kinds  []string
}

// mix says how often each kind of saying comes. Garbage is rare: over 1 % of letters that hold messages would hold back all
// broadcasts, as it should.
func mix() []string {
	var kinds []string
	for _, k := range []struct {
		kind  string
		share int
	}{
		{"text", 160}, {"stop", 36}, {"stop button", 8}, {"stop reply", 4}, {"stop caption", 4}, {"stop standby", 4}, {"start", 24},
		{"stop in a group", 4}, {"stop forwarded", 4}, {"reaction", 8}, {"switch off", 4}, {"switch on", 4}, {"receipt", 80},
		{"moved", 4}, {"garbage", 1},
	} {
		kinds = append(kinds, slices.Repeat([]string{k.kind}, k.share)...)
	}
	return kinds
}

func newCrowd(seed uint64, people int) *crowd {
	return &crowd{
		random: rand.New(rand.NewPCG(seed, 11)), //nolint:gosec // it must repeat
		number: number(), people: people, kinds: mix(),
	}
}

// number is the business's.
func number() fake.Number {
	return fake.Number{ID: "155500000000001", WABA: "177700000000001", Display: "15550140001"}
}

// phoneOf gives the digits of the nth person's phone.
func phoneOf(n int) string { return fmt.Sprintf("4477009%05d", n) }

// next makes somebody say something. Its time lies up to 15 s back, so that what arrives later may be older.
func (c *crowd) next(now time.Time) (fake.Event, saying) {
	back := time.Duration(c.random.Int64N(int64(time.Second)))
	if c.random.IntN(4) == 0 {
		back = time.Duration(c.random.Int64N(int64(15 * time.Second)))
	}
	at := now.Add(-back)
	kind, n := c.kinds[c.random.IntN(len(c.kinds))], c.random.IntN(c.people)
	words, shows, serial := c.random.IntN(1000), c.random.IntN(4), c.random.Uint64()
	person := c.shown(n, shows)
	e, s := c.say(kind, n, person, words, serial, at)
	s.atMilli = at.Unix() * 1000
	if len(s.who) == 0 && kind != "garbage" {
		s.who = identifiers(person)
	}
	return e, s
}

// shown gives as much of a person as a message shows: the phone, the BSUID, or both, and for some the parent.
func (c *crowd) shown(n, shows int) fake.Person {
	p := fake.Person{Name: "Ada Example", Phone: phoneOf(n)}
	if shows == 0 {
		return fake.Person{Name: p.Name, BSUID: fmt.Sprintf("GB.9021%012d", n)}
	}
	if shows == 1 {
		p.BSUID = fmt.Sprintf("GB.9021%012d", n)
		if n%10 == 9 {
			p.Parent = fmt.Sprintf("GB.ENT.7021%012d", n)
		}
	}
	return p
}

func identifiers(p fake.Person) (ids []string) {
	if p.Phone != "" {
		ids = append(ids, "phone:"+p.Phone)
	}
	for _, id := range []string{p.BSUID, p.Parent} {
		if id != "" {
			ids = append(ids, "bsuid:"+id)
		}
	}
	return ids
}

var chatter = []string{"hello", "don't stop", "stop by tomorrow", "Danke schön", "спасибо", "好的", "great / 100 %"}

func (c *crowd) say(kind string, n int, p fake.Person, words int, serial uint64, at time.Time) (e fake.Event, s saying) {
	stop := fake.StopWords()[words%len(fake.StopWords())]
	acts := func(list string, out bool) { s.list, s.out = list, out }
	switch kind {
	case "stop":
		e = fake.Text(c.number, p, stop, at)
		acts("default", true)
	case "stop button":
		e = fake.Button(c.number, p, stop, at)
		acts("default", true)
	case "stop reply":
		e = fake.ButtonReply(c.number, p, stop, at)
		acts("default", true)
	case "stop caption":
		e = fake.Caption(c.number, p, stop, at)
		acts("default", true)
	case "stop standby":
		e = fake.Standby(fake.Text(c.number, p, stop, at))
		acts("default", true)
	case "start":
		e = fake.Text(c.number, p, "START", at)
		acts("default", false)
	case "stop in a group":
		e = fake.Group(c.number, p, stop, at)
	case "stop forwarded":
		e = fake.Forwarded(c.number, p, stop, at)
	case "reaction":
		e = fake.Reaction(c.number, p, "👍", at)
	case "switch off", "switch on":
		e = fake.Preference(c.number, p, kind == "switch off", at)
		acts("meta", kind == "switch off")
	case "receipt":
		p = fake.Person{Phone: phoneOf(n)}
		e = fake.Receipt(c.number, p, fake.Told{MessageID: fmt.Sprintf("wamid.strange%016x", serial), Status: "delivered"}, at)
		s.key, s.who = e.ID+"/delivered", identifiers(p)
		return e, s
	case "moved":
		p = fake.Person{Phone: phoneOf(n), BSUID: fmt.Sprintf("GB.9021%012d", n)}
		to := fake.Person{Phone: fmt.Sprintf("4477008%05d", n), BSUID: fmt.Sprintf("GB.9023%012d", n)}
		e = fake.Moved(c.number, p, to, at)
		s.who, s.before = identifiers(to), identifiers(p)
	case "garbage":
		return fake.Odd(c.number, map[string]any{"from": 7.5, "type": []any{}}), s
	default:
		e = fake.Text(c.number, p, fmt.Sprintf("%s %d", chatter[words%len(chatter)], serial%100), at)
	}
	s.key = e.ID
	return e, s
}
