package fake

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Generator makes up events of every kind, the same for the same seed. It is for one goroutine.
type Generator struct {
	random  *rand.Rand
	numbers []Number
	people  int
	kinds   []string
}

// Mix says how often each kind comes, as shares of their sum. The kinds are those of DefaultMix.
type Mix map[string]int

// DefaultMix is a lively day: mostly texts and receipts, some of everything else.
func DefaultMix() Mix {
	return Mix{
		"text": 40, "stop": 4, "start": 1, "button": 2, "reply": 2, "list": 2, "caption": 3, "edit": 1, "group": 1, "forwarded": 1,
		"reaction": 3, "standby": 2, "history": 1, "echo": 2, "preference": 1, "receipt": 25, "moved": 1, "management": 2,
		"error": 1, "garbage": 1, "messenger": 2, "instagram": 2,
	}
}

// NewGenerator makes a generator of so many people who write to these numbers. A kind needs a number of its platform: the
// kinds messenger and instagram come only if numbers has one.
func NewGenerator(seed uint64, numbers []Number, people int, mix Mix) *Generator {
	g := &Generator{random: rand.New(rand.NewPCG(seed, 2)), numbers: numbers, people: people} //nolint:gosec // it must repeat
	for kind, share := range mix {
		if len(g.of(platformOf(kind))) > 0 {
			g.kinds = append(g.kinds, slices.Repeat([]string{kind}, share)...)
		}
	}
	slices.Sort(g.kinds) // a map's order is no order
	return g
}

// StopWords are words that opt a person out of the Default list, in several languages.
func StopWords() []string {
	return []string{"STOP", "stop", "Unsubscribe", "opt out", "QUIT", "Stopp", "Abmelden", "Arrêt", "désabonner", "baja", "sair",
		"annulla", "afmelden", "СТОП", "отписаться", " Stop. ", "ＳＴＯＰ"}
}

var chatter = []string{"hello", "Is it still in stock?", "don't stop", "stop by tomorrow", "Danke schön", "спасибо", "نعم", "好的", "👍🏽 great / 100 %",
	"I can't stop laughing", "What are your opening hours?"}

// SomePerson gives the nth person, from 0 to 99,999: of ten, six show a phone, two a phone and a BSUID, two a BSUID alone.
func SomePerson(n int) Person {
	p := Person{Name: "Ada Example", ID: fmt.Sprintf("70%014d", n)}
	if n%10 < 8 {
		p.Phone = fmt.Sprintf("4477009%05d", n)
	}
	if n%10 >= 6 {
		p.BSUID = fmt.Sprintf("GB.9021%012d", n)
	}
	if n%20 == 19 {
		p.Parent = fmt.Sprintf("GB.ENT.7021%012d", n)
	}
	return p
}

// Next makes the next event, said at a time.
func (g *Generator) Next(at time.Time) Event {
	kind := pick(g.random, g.kinds)
	n, p := pick(g.random, g.of(platformOf(kind))), SomePerson(g.random.IntN(g.people))
	words := pick(g.random, chatter)
	stop := g.random.IntN(10) == 0 && kind != "text" && kind != "start"
	if stop || kind == "stop" {
		words = pick(g.random, StopWords())
	}
	e := g.make(kind, n, p, words, at)
	e.Stops = acting[kind] && (stop || kind == "stop")
	return e
}

// acting are the kinds whose words count.
var acting = map[string]bool{
	"stop": true, "button": true, "reply": true, "list": true, "caption": true, "edit": true, "standby": true, "messenger": true, "instagram": true,
}

func (g *Generator) make(kind string, n Number, p Person, words string, at time.Time) Event {
	switch kind {
	case "start":
		return Text(n, p, "START", at)
	case "button":
		return Button(n, p, words, at)
	case "reply":
		return ButtonReply(n, p, words, at)
	case "list":
		return ListReply(n, p, words, at)
	case "caption":
		return Caption(n, p, words, at)
	case "edit":
		return Edit(n, p, words, at)
	case "group":
		return Group(n, p, words, at)
	case "forwarded":
		return Forwarded(n, p, words, at)
	case "reaction":
		return Reaction(n, p, "👍", at)
	case "standby":
		return Standby(Text(n, p, words, at))
	case "history":
		return History(n, Text(n, p, words, at.Add(-90*24*time.Hour)))
	case "echo":
		return Echo(n, p, words, at)
	case "preference":
		return Preference(n, p, g.random.IntN(2) == 0, at)
	case "receipt":
		id := fmt.Sprintf("wamid.strange%016x", g.random.Uint64())
		return Receipt(n, p, Told{MessageID: id, Status: pick(g.random, []string{"sent", "delivered", "read", "failed"})}, at)
	case "moved":
		return g.moved(n, at)
	case "management":
		return Management(n, "phone_number_quality_update", map[string]any{"display_phone_number": n.Display, "event": "THROUGHPUT_UPGRADE"})
	case "error":
		e := Odd(n, map[string]any{"code": 130429, "title": "told to"})
		e.Kind, e.Array = "error", "errors"
		return e
	case "garbage":
		return Odd(n, pick(g.random, []any{7, nil, true, "STOP", []any{}, map[string]any{}, map[string]any{"from": 7.5, "type": []any{}}}))
	case "messenger", "instagram":
		return Direct(n, p, words, at)
	}
	return Text(n, p, words, at)
}

// moved lets somebody beyond the people of the other kinds change the number, so that nobody else's history moves along.
func (g *Generator) moved(n Number, at time.Time) Event {
	i := g.people + g.random.IntN(1000)
	old := Person{Phone: fmt.Sprintf("4477008%05d", i%100_000), BSUID: fmt.Sprintf("GB.9022%012d", i)}
	return Moved(n, old, Person{Phone: fmt.Sprintf("4477007%05d", i%100_000), BSUID: fmt.Sprintf("GB.9023%012d", i)}, at)
}

func (g *Generator) of(platform string) []Number {
	var numbers []Number
	for _, n := range g.numbers {
		if objects[n.Platform] == objects[platform] {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func platformOf(kind string) string {
	if kind == "messenger" || kind == "instagram" {
		return kind
	}
	return "whatsapp"
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
