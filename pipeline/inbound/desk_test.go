package inbound_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
	"optgate/pipeline/inbound"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The payloads' messages are of 10 Nov 2026, 08:40:00; they are received a minute later.
var (
	sent     = time.Date(2026, 11, 10, 8, 40, 0, 0, time.UTC)
	received = sent.Add(time.Minute)
)

// desk is a handler with real decoding, two accounts, and all that it publishes.
type desk struct {
	t         testing.TB
	h         *inbound.Handler
	accounts  map[string]optout.Account
	mu        sync.Mutex // for Publish, which TellNears calls beside Handle
	published []*stream.Record
	calls     int
	refuse    error // of the publisher
	unknown   error // of accounts
	untraced  error // of callbacks
	items     []string
	dead      []string
	ages      []time.Duration // of the items, when they were handled
	mourned   int             // dead letters that may hold a message
	log       bytes.Buffer
	offset    int64
	now       time.Time
	callbacks map[string]string // by message id
}

func newDesk(t testing.TB) *desk {
	d := &desk{t: t, accounts: map[string]optout.Account{}, now: received.Add(time.Second)}
	for _, id := range []string{"acme", "umbrella"} {
		d.accounts[id] = optout.Account{V: 1, ID: id, Key: chat.Key("key of " + id + ", 16 bytes"), Lists: optout.SystemLists()}
	}
	d.h = &inbound.Handler{
		Decode: meta.Decode, Salvage: meta.Salvage, Accounts: d, Sent: d, Publisher: d, Shards: 4,
		Now: func() time.Time { return d.now }, Logger: zerolog.New(&d.log), Metrics: d,
		Directory: chat.NewDirectory([]string{"acme", "umbrella"}, []chat.Channel{
			{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "310100000000001"},
			{Account: "umbrella", ID: "wb", Kind: chat.WhatsApp, NumberID: "310100000000002"},
			{Account: "acme", ID: "fb", Kind: chat.Messenger, NumberID: "100200300400500"},
			{Account: "acme", ID: "ig", Kind: chat.Instagram, NumberID: "178400000000001"},
		}),
	}
	return d
}

func (d *desk) Lexicon(_ context.Context, id string) (*optout.Lexicon, error) {
	state, err := json.Marshal(d.accounts[id])
	if err != nil || d.unknown != nil {
		return nil, errors.Join(err, d.unknown)
	}
	return optout.NewLexicon(state)
}

func (d *desk) Callbacks(_ context.Context, _ string, messageIDs []string) (map[string]string, error) {
	found := map[string]string{}
	for _, id := range messageIDs {
		if callback, ok := d.callbacks[id]; ok {
			found[id] = callback
		}
	}
	return found, d.untraced
}

func (d *desk) Publish(_ context.Context, records ...*stream.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.refuse != nil {
		return d.refuse
	}
	d.published = append(d.published, records...)
	return nil
}

func (d *desk) Item(kind string, age time.Duration) {
	d.items, d.ages = append(d.items, kind), append(d.ages, age)
}
func (d *desk) Dead(reason string) { d.dead = append(d.dead, reason) }
func (d *desk) DeadMessage()       { d.mourned++ }

// body reads a payload.
func (d *desk) body(name string) []byte {
	d.t.Helper()
	body, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		d.t.Fatal(err)
	}
	return body
}

// records cuts a body into records of inbound, as ingress does.
func (d *desk) records(body []byte) (records []stream.Record) {
	d.t.Helper()
	items, err := meta.AppendItems(nil, body)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, item := range items {
		records = append(records, d.record(item.Value))
	}
	return records
}

func (d *desk) record(value []byte) stream.Record {
	d.offset++
	return stream.Record{
		Topic: stream.Inbound, Partition: 3, Offset: d.offset, Value: value,
		Headers: []stream.Header{{Key: "v", Value: "1"}, {Key: "app", Value: "main"}, {Key: "received_at", Value: strconv.FormatInt(received.UnixMilli(), 10)}},
	}
}

// hear handles payloads as one batch.
func (d *desk) hear(names ...string) {
	d.t.Helper()
	var batch []stream.Record
	for _, name := range names {
		batch = append(batch, d.records(d.body(name))...)
	}
	d.handle(batch...)
}

func (d *desk) handle(batch ...stream.Record) {
	d.t.Helper()
	if err := d.h.Handle(d.t.Context(), batch); err != nil {
		d.t.Fatalf("handle: %v", err)
	}
}

// of gives what was published into a topic, read as T.
func of[T any](d *desk, topic stream.Topic) (all []T) {
	d.t.Helper()
	for _, r := range d.published {
		if r.Topic != topic {
			continue
		}
		var one T
		if err := json.Unmarshal(r.Value, &one); err != nil {
			d.t.Fatalf("%s: %v", topic, err)
		}
		all = append(all, one)
	}
	return all
}

// changes gives the changes of consent that were asked for, each once.
func (d *desk) changes() (all []optout.Change) {
	d.t.Helper()
	var ids []string
	for _, c := range of[shard.Command](d, stream.Commands) {
		if c.Kind != optout.CommandChange || slices.Contains(ids, c.ID) {
			continue
		}
		ids = append(ids, c.ID)
		var change optout.Change
		if err := json.Unmarshal(c.Body, &change); err != nil {
			d.t.Fatal(err)
		}
		all = append(all, change)
	}
	return all
}

// change gives the only change.
func (d *desk) change() optout.Change {
	d.t.Helper()
	all := d.changes()
	if len(all) != 1 {
		d.t.Fatalf("%d changes, want one", len(all))
	}
	return all[0]
}

// ties gives the links that were asked for, as their identifiers.
func (d *desk) ties() (all [][]chat.Identifier) {
	d.t.Helper()
	var ids []string
	for _, c := range of[shard.Command](d, stream.Commands) {
		if c.Kind != optout.CommandLink || slices.Contains(ids, c.ID) {
			continue
		}
		ids = append(ids, c.ID)
		var tie optout.Tie
		if err := json.Unmarshal(c.Body, &tie); err != nil {
			d.t.Fatal(err)
		}
		all = append(all, shown(tie.Who))
	}
	return all
}

func shown(who []optout.Ref) (ids []chat.Identifier) {
	for _, ref := range who {
		ids = append(ids, ref.ID)
	}
	return ids
}

func (d *desk) letters() (all []*stream.Record) {
	for _, r := range d.published {
		if r.Topic == stream.Dead {
			all = append(all, r)
		}
	}
	return all
}
