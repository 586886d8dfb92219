// Package mix makes webhooks as Meta sends them: signed, in a chosen mixture of kinds, no two alike. It is as cheap as
// possible, because whoever sends them shares the machine with whoever is measured.
package mix

import (
	"bytes"
	"embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Usual is a mixture as a business with campaigns sees it: as many receipts as messages, a few batches and stop words.
const Usual = "text=44,image=2,button=2,user_id=2,sent=15,delivered=15,read=16,batch=2,stop=2"

// The channel that all webhooks are for, as a configuration must name it.
const (
	PhoneNumberID = "310100000000001"
	WABAID        = "204700000000001"
)

// Options say what to make.
type Options struct {
	Kinds  string // what Kinds names, with shares, as text=90,stop=10; "" is Usual
	Host   string // for the header
	Path   string // of the webhook, as /webhooks/meta
	Secret string // of the app at Meta, which signs
	First  uint64 // number of the first webhook; two runs against one server need numbers apart
	Now    time.Time
}

// Mix is a prepared mixture. It does not change.
type Mix struct {
	shapes []*shape
	order  []uint8 // which shape has which turn
	secret []byte
	first  uint64
}

//go:embed testdata/*.json
var payloads embed.FS

// New prepares a mixture, or says what is wrong with its description.
func New(o Options) (*Mix, error) {
	m := &Mix{secret: []byte(o.Secret), first: o.First}
	if o.Kinds == "" {
		o.Kinds = Usual
	}
	for part := range strings.SplitSeq(o.Kinds, ",") {
		name, share, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(share)
		if err != nil || n < 1 || n > 1000 {
			return nil, fmt.Errorf("%q is no kind with its share, as text=90", part)
		}
		body := made(name)
		if body == nil {
			if body, err = payloads.ReadFile("testdata/" + name + ".json"); err != nil {
				return nil, fmt.Errorf("no kind is called %q; there are %s", name, strings.Join(Kinds(), ", "))
			}
		}
		m.shapes = append(m.shapes, newShape(bytes.TrimSpace(body), o))
		m.order = append(m.order, bytes.Repeat([]byte{uint8(len(m.shapes) - 1)}, n)...)
	}
	if len(m.shapes) > 100 {
		return nil, fmt.Errorf("%d kinds are too many", len(m.shapes))
	}
	// Always the same disorder, so that two runs send the same.
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(m.order), func(i, j int) { m.order[i], m.order[j] = m.order[j], m.order[i] }) //nolint:gosec // no secret
	return m, nil
}

// Kinds names what can be mixed.
func Kinds() []string {
	entries, err := payloads.ReadDir("testdata")
	if err != nil {
		panic(err) // it is compiled in
	}
	names := []string{Large, Thousand}
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	slices.Sort(names)
	return names
}

// Items gives how many messages and receipts webhook n carries, and how many of them are stop words.
func (m *Mix) Items(n uint64) (items, stops int) {
	s := m.shape(n)
	return s.items, s.stops
}

func (m *Mix) shape(n uint64) *shape { return m.shapes[m.order[n%uint64(len(m.order))]] }

// Sender gives the phone number, as digits, that writes the first message of webhook n.
func (m *Mix) Sender(n uint64) string {
	return "4473" + string(person(make([]byte, 0, 7), m.first+n)) + "0"
}
