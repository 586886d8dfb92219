package feed_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/feed"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// world is one shard with its deliveries, the accounts, and whoever is called, in memory.
type world struct {
	t        testing.TB
	mu       sync.Mutex
	states   map[string][]byte
	read     map[string]feed.Delivery // what states hold
	commands []stream.Record
	folded   int // of commands
	asleep   bool
	away     error // what publishing answers, if anything
	letters  []stream.Record
	account  optout.Account
	missing  bool // the account
	answer   func(c feed.Call) (feed.Said, error)
	calls    []feed.Call
	at       []time.Time // of the calls
	under    int         // calls under way
	most     int         // of them at any time
	counted  map[string]int
	pending  int
	looked   int // for what is due
}

var key = chat.Key("0123456789abcdef")

func newWorld(t testing.TB) *world {
	return &world{
		t: t, states: map[string][]byte{}, read: map[string]feed.Delivery{}, counted: map[string]int{},
		account: optout.Account{ID: "acme", Key: key, Numbers: map[string]int{"wa": 101}, Lists: []optout.List{
			{ID: "news", Name: "News", WebhookURL: "https://example.com/news"}, {ID: "shop", Name: "Shop", WebhookURL: "https://example.com/shop"},
		}},
		answer: func(feed.Call) (feed.Said, error) { return feed.Said{Status: 200}, nil },
	}
}

// Publish keeps commands and, unless the owner is asleep, folds them.
func (w *world) Publish(_ context.Context, records ...*stream.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away != nil {
		return w.away
	}
	for _, r := range records {
		r.Offset = int64(len(w.commands))
		w.commands = append(w.commands, *r)
	}
	if !w.asleep {
		w.foldAll()
	}
	return nil
}

func (w *world) foldAll() {
	for ; w.folded < len(w.commands); w.folded++ {
		w.fold(w.commands[w.folded])
	}
}

func (w *world) fold(r stream.Record) {
	var c shard.Command
	if err := json.Unmarshal(r.Value, &c); err != nil {
		w.t.Fatal(err)
	}
	rule, place := feed.Rules()[c.Kind], shard.Place{Shards: 1, Offset: r.Offset}
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
	states, _, effects := turn.Said()
	for k, state := range states {
		if w.states[k] = state; state == nil {
			delete(w.states, k)
			delete(w.read, k)
			continue
		}
		if !strings.HasPrefix(k, "delivery/") {
			continue
		}
		var d feed.Delivery
		if err := json.Unmarshal(state, &d); err != nil {
			w.t.Fatal(err)
		}
		w.read[k] = d
	}
	for _, e := range effects {
		w.letters = append(w.letters, *e)
	}
}

// offer makes deliveries of a list, made now; it gives their ids.
func (w *world) offer(list string, who ...chat.Identifier) (ids []string) {
	w.t.Helper()
	var body optout.Offers
	for _, id := range who {
		o := optout.Offer{ID: optout.DeliveryID(0, list, string(id)), List: list, Channel: "wa", Out: true, At: time.Now().UnixMilli(), Source: "message", Who: id}
		body.Offers, ids = append(body.Offers, o), append(ids, o.ID)
	}
	w.command(optout.CommandOffer, body)
	return ids
}

func (w *world) command(kind string, body any) {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := shard.Command{ID: kind, Kind: kind, Account: "acme", Made: time.Now().UnixMilli(), Body: raw}.Record(0)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.Publish(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) all() (all []feed.Delivery) {
	for _, d := range w.read {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b feed.Delivery) int { return cmp.Or(cmp.Compare(a.Next, b.Next), cmp.Compare(a.ID, b.ID)) })
	return all
}

// one gives the only delivery.
func (w *world) one() feed.Delivery {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if all := w.all(); len(all) == 1 {
		return all[0]
	}
	w.t.Fatalf("%d deliveries", len(w.all()))
	return feed.Delivery{}
}

func (w *world) Feeds(context.Context, int) ([]feed.Waiting, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	byList := map[string]*feed.Waiting{}
	var found []feed.Waiting
	for _, d := range w.read {
		if d.Status != feed.Pending {
			continue
		}
		if known := byList[d.List]; known != nil && d.Next < known.Next.UnixMilli() {
			known.Next = time.UnixMilli(d.Next)
		} else if known == nil {
			byList[d.List] = &feed.Waiting{List: feed.List{Account: "acme", ID: d.List}, Next: time.UnixMilli(d.Next), Oldest: time.UnixMilli(d.Made)}
		}
		byList[d.List].Count++
	}
	for _, waiting := range byList {
		found = append(found, *waiting)
	}
	return found, nil
}

func (w *world) Due(_ context.Context, _ int, l feed.List, until time.Time, limit int) (due []feed.Delivery, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looked++
	for _, d := range w.all() {
		if d.List == l.ID && d.Status == feed.Pending && d.Next <= until.UnixMilli() && len(due) < limit {
			due = append(due, d)
		}
	}
	return due, nil
}

func (w *world) Old(_ context.Context, _ int, at time.Time, limit int) (refs []feed.Ref, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.all() {
		if d.Status != feed.Pending && d.KeptUntil() <= at.UnixMilli() && len(refs) < limit {
			refs = append(refs, d.Ref())
		}
	}
	return refs, nil
}

func (w *world) Account(context.Context, string) (optout.Account, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missing {
		return optout.Account{}, fault.New(fault.NotFound, "unknown_account", "There is no such account.")
	}
	return w.account, nil
}

func (w *world) Post(_ context.Context, c feed.Call) (feed.Said, error) {
	w.mu.Lock()
	w.calls, w.at = append(w.calls, c), append(w.at, time.Now())
	w.under++
	w.most = max(w.most, w.under)
	answer := w.answer
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.under--
		w.mu.Unlock()
	}()
	return answer(c)
}

func (w *world) Feed(result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counted[result]++
}

func (w *world) FeedPending(_, pending int, _ time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = pending
}

func (w *world) Dead(string) {}

// run starts a runner that shares a courier with others; stop ends it.
func (w *world) run(c *feed.Courier) (stop func()) { return w.runAfter(c, 0) }

// runAfter starts one whose clock is ahead.
func (w *world) runAfter(c *feed.Courier, ahead time.Duration) (stop func()) {
	r := &feed.Runner{
		States: w, Accounts: w, Courier: c, Publisher: w, Metrics: w, Logger: zerolog.New(io.Discard),
		Now: func() time.Time { return time.Now().Add(ahead) },
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// locked does something while nothing else happens.
func (w *world) locked(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

func (w *world) count(result string) (n int) {
	w.locked(func() { n = w.counted[result] })
	return n
}

// made gives how many calls were made; atOnce how many of them were under way at once.
func (w *world) made() (n int) {
	w.locked(func() { n = len(w.calls) })
	return n
}

func (w *world) atOnce() (n int) {
	w.locked(func() { n = w.most })
	return n
}

func status(code int) func(feed.Call) (feed.Said, error) {
	return func(feed.Call) (feed.Said, error) { return feed.Said{Status: code}, nil }
}

var errAway = errors.New("nobody acknowledges")
