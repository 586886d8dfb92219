package meta_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
)

// piece is one item as Meta would put it, and where it belongs.
type piece struct {
	field, array string // array "": the item is the change's value
	standby      bool
	contact      string
	item         string
}

// value gives the value of a change with these pieces, which share field and standby.
func value(number string, pieces []piece) string {
	var parts, contacts []string
	arrays := map[string][]string{}
	for _, p := range pieces {
		arrays[p.array] = append(arrays[p.array], p.item)
		if p.contact != "" {
			contacts = append(contacts, p.contact)
		}
	}
	for name, items := range arrays {
		parts = append(parts, fmt.Sprintf(`%q:[%s]`, name, strings.Join(items, " , ")))
	}
	within := strings.Join(parts, ",")
	if pieces[0].standby {
		within = `"standby":{` + within + `}`
	}
	return fmt.Sprintf(`{"messaging_product":"whatsapp","metadata":{"phone_number_id":%q,"display_phone_number":"15550140001"},"contacts":[%s],%s}`,
		number, strings.Join(contacts, ","), within)
}

func change(number string, pieces []piece) string {
	if pieces[0].array == "" {
		return fmt.Sprintf(`{"field":%q,"value":%s}`, pieces[0].field, pieces[0].item)
	}
	return fmt.Sprintf(`{"value":%s,"field":%q}`, value(number, pieces), pieces[0].field)
}

func envelope(changes ...string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"2047","time":1794300000,"changes":[` + strings.Join(changes, ",") + `]}]}`)
}

// anyPiece draws an item of any kind, sound or not; what it can tell is its own, so that it means the same in any company.
func anyPiece(t *rapid.T) piece {
	n := rapid.IntRange(0, 400).Draw(t, "person")
	phone := fmt.Sprintf("4477009%05d", n)
	bsuid := fmt.Sprintf("GB.90%05d", n)
	contact := []string{ // always the same for one person
		"", fmt.Sprintf(`{"wa_id":%q,"profile":{"name":"A [}] \" B"}}`, phone), fmt.Sprintf(`{"wa_id":%q,"user_id":%q}`, phone, bsuid),
	}[n%3]
	message := fmt.Sprintf(`{"from":%q,"id":"wamid.%d","timestamp":"1794300%03d","type":"text","text":{"body":"STOP \ud800 %d"}}`, phone, n, n, n)
	return rapid.SampledFrom([]piece{
		{"messages", "messages", false, contact, message},
		{"messages", "messages", false, contact, message},
		{"messages", "messages", false, contact, fmt.Sprintf(`{"from_user_id":%q,"id":"wamid.%d","type":"button","button":{"text":"Stop","payload":"p"}}`, bsuid, n)},
		{"messages", "messages", false, "", rapid.SampledFrom([]string{"7", "null", `"STOP"`, "[]", "{}", "true", `[{"from":"1"}]`, `{"from":{"x":[]},"type":5}`}).Draw(t, "garbage")},
		{"messages", "messages", false, "", `{"deep":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`},
		{"messages", "messages", false, contact, fmt.Sprintf(`{"from":%q,"from":%q,"type":"text","text":{"body":"a"},"timestamp":1e999,"n":123456789012345678901234567890}`, bsuid, phone)},
		{"messages", "messages", false, contact, fmt.Sprintf("{\"from\":%q,\"type\":\"text\",\"text\":{\"body\":\"\xff\xfe\"}}", phone)},
		{"messages", "statuses", false, contact, fmt.Sprintf(`{"id":"wamid.%d","status":"failed","recipient_id":%q,"errors":[{"code":131050}]}`, n, phone)},
		{"messages", "errors", false, "", `{"code":130429}`},
		{"standby", "messages", true, contact, message},
		{"standby", "statuses", true, contact, fmt.Sprintf(`{"id":"wamid.%d","status":"read","recipient_user_id":%q}`, n, bsuid)},
		{"user_preferences", "user_preferences", false, contact, fmt.Sprintf(`{"wa_id":%q,"value":"stop","category":"marketing_messages","timestamp":1794300000}`, phone)},
		{"smb_message_echoes", "message_echoes", false, "", fmt.Sprintf(`{"from":"15550140001","to":%q,"type":"text","text":{"body":"STOP"}}`, phone)},
		{"history", "history", false, "", fmt.Sprintf(`{"threads":[{"id":%q,"messages":[%s,%s]}]}`, phone, message, message)},
		{"some_future_field", "", false, "", fmt.Sprintf(`{"x":%d}`, n)},
		{"account_update", "", false, "", `{"event":"X","list":[1,2,3]}`},
		{"odd", "", false, "", rapid.SampledFrom([]string{"7", "null", "[]", `"text"`}).Draw(t, "odd")},
	}).Draw(t, "piece")
}

// TestEveryItemOfABatchIsARecord puts any items into any company: as many records come out, each means what the item means
// alone, and none is lost to its neighbours.
func TestEveryItemOfABatchIsARecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.Custom(anyPiece), 1, 30).Draw(t, "pieces")
		number := rapid.SampledFrom([]string{"3101", "3102"})
		var changes []string
		want := map[string]int{}
		for len(pieces) > 0 {
			n, id := 1, number.Draw(t, "number")
			for pieces[0].array != "" && n < len(pieces) && n < 12 && pieces[n].array != "" &&
				pieces[n].field == pieces[0].field && pieces[n].standby == pieces[0].standby {
				n++
			}
			changes = append(changes, change(id, pieces[:n]))
			for _, p := range pieces[:n] {
				want[meaning(envelope(change(id, []piece{p})))]++
			}
			pieces = pieces[n:]
		}
		items, err := meta.AppendItems(nil, envelope(changes...))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, item := range items {
			got[meaning(item.Value)]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("records mean something else (-alone +split):\n%s", diff)
		}
	})
}

// meaning writes what a record decodes to, without its bytes.
func meaning(record []byte) string {
	in, err := meta.Decode(record)
	in.Raw = nil
	text, marshal := json.Marshal(in)
	return fmt.Sprint(string(text), err, marshal)
}

func TestWhatIsNoEnvelope(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	for body, want := range map[string]error{
		"":                                  meta.ErrNotJSON,
		"{not json":                         meta.ErrNotJSON,
		"\xff\xfe\x00":                      meta.ErrNotJSON,
		`{"entry":` + deep:                  meta.ErrNotJSON,
		`{"object":"page"} trailer`:         meta.ErrNotJSON,
		deep + strings.Repeat("]", 100_000): meta.ErrNotEnvelope,
		`{"entry":7}`:                       meta.ErrNotEnvelope,
		`[]`:                                meta.ErrNotEnvelope,
		`7`:                                 meta.ErrNotEnvelope,
		`{"object":"user","entry":[{}]}`:    meta.ErrNotEnvelope,
		`{"object":"page"}`:                 meta.ErrNotEnvelope,
		`{"object":"page","entry":null}`:    meta.ErrNotEnvelope,
		`{"object":"page","entry":[]}`:      meta.ErrEmpty,
		`{"object":"page","entry":[{"messaging":[]}]}`:                      meta.ErrEmpty,
		`{"object":"page","entry":[` + strings.Repeat("0,", 10_000) + `0]}`: meta.ErrTooMany,
	} {
		items, err := meta.AppendItems(nil, []byte(body))
		if !errors.Is(err, want) || len(items) > 0 {
			t.Errorf("%.40q: %d items, error %v, want %v", body, len(items), err, want)
		}
		if _, err := meta.Decode([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%.40q: decoded with error %v, want %v", body, err, want)
		}
	}
}

// TestOddEnvelopesLoseNothing names what encoding/json would have dropped, and garbage at every level.
func TestOddEnvelopesLoseNothing(t *testing.T) {
	const message = `{"from":"447700900101","type":"text","text":{"body":"STOP"}}`
	for name, c := range map[string]struct {
		body  string
		items int
	}{
		"two arrays of one name":  {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[` + message + `],"messages":[` + message + `]}}]}]}`, 2},
		"two values":              {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[` + message + `]},"value":{"messages":[` + message + `,1]}}]}]}`, 3},
		"two entry members":       {`{"object":"page","entry":[{"messaging":[1]}],"entry":[{"messaging":[2,3]}]}`, 3},
		"an escaped name":         {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"\u006dessages":[1,2]}}]}]}`, 2},
		"a message without array": {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":` + message + `,"statuses":null}}]}]}`, 1},
		"standby and messages":    {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"standby","value":{"messages":[1],"standby":{"messages":[2],"statuses":[3,4]}}}]}]}`, 4},
		"standby as an array":     {`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"standby","value":{"standby":[` + message + `,2]}}]}]}`, 2},
		"garbage at every level":  {`{"object":"whatsapp_business_account","entry":[7,null,{},{"id":"1"},{"changes":7},{"changes":[7,null,{},{"value":[]},{"field":"messages","value":{}}]}]}`, 10},
		"messaging and standby":   {`{"object":"page","entry":[{"id":"1","messaging":[1,2],"standby":[3],"changes":[4]}]}`, 4},
	} {
		items, err := meta.AppendItems(nil, []byte(c.body))
		if err != nil || len(items) != c.items {
			t.Errorf("%s: %d items, %v; want %d", name, len(items), err, c.items)
		}
		for _, item := range items {
			again, err := meta.AppendItems(nil, item.Value)
			if err != nil || len(again) != 1 || again[0].Kind != item.Kind || again[0].Field != item.Field || string(again[0].Key) != string(item.Key) {
				t.Errorf("%s: %s splits into %d items, %v", name, item.Value, len(again), err)
			}
		}
	}
}

func TestContactsGoWithWhomTheyShow(t *testing.T) {
	text := func(from string) string { return `{"type":"text","text":{"body":"x"},` + from + `}` }
	ada, bea, nobody := `{"wa_id":"447700900101","user_id":"GB.1"}`, `{"user_id":"GB.2","parent_user_id":"GB.ENT.2"}`, `{"profile":{"name":"?"}}`
	body := envelope(`{"field":"messages","value":{"contacts":[` + ada + `,` + bea + `,` + nobody + `],"messages":[` +
		text(`"from":"447700900101"`) + `,` + text(`"from_parent_user_id":"GB.ENT.2"`) + `,` + text(`"from":"447700900103"`) + `]}}`)
	items, err := meta.AppendItems(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]chat.Identifier{{"phone:447700900101", "bsuid:GB.1"}, {"bsuid:GB.2", "bsuid:GB.ENT.2"}, {"phone:447700900103"}}
	for i, item := range items {
		in, err := meta.Decode(item.Value)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], in.Who); diff != "" {
			t.Errorf("item %d (-want +got):\n%s", i, diff)
		}
		if !strings.Contains(string(item.Value), nobody) {
			t.Errorf("item %d lacks the contact that shows nobody", i)
		}
		for _, other := range []string{ada, bea} {
			if strings.Contains(string(item.Value), other) != (i < 2 && other == []string{ada, bea}[i]) {
				t.Errorf("item %d: %s", i, item.Value)
			}
		}
	}
}

// TestSplittingDoesNotGrowABody holds what goes along with each item to its bounds.
func TestSplittingDoesNotGrowABody(t *testing.T) {
	filler := strings.Repeat("x", 1<<20)
	contacts := strings.Repeat(`{"profile":{"name":"nobody's"}},`, 30_000)
	body := envelope(`{"field":"messages","value":{"metadata":{"phone_number_id":"3101"},"other":"`+filler+`","contacts":[`+contacts+`1],"messages":[`+
		strings.Repeat("7,", 999)+`7]}}`, `{"field":"x","value":1}`)
	items, err := meta.AppendItems(nil, body)
	if err != nil || len(items) != 1001 {
		t.Fatalf("%d items: %v", len(items), err)
	}
	size := 0
	for i, item := range items {
		size += len(item.Value)
		if i < 1000 && !strings.Contains(string(item.Value), `"phone_number_id":"3101"`) {
			t.Fatalf("item %d has no number", i)
		}
	}
	if size > 20<<20 {
		t.Errorf("%d bytes became %d", len(body), size)
	}
}

func FuzzSplit(f *testing.F) {
	for _, seed := range payloads(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := meta.AppendItems(nil, body)
		if (err == nil) != (len(items) > 0) {
			t.Fatalf("%d items, %v", len(items), err)
		}
		for _, item := range items {
			again, err := meta.AppendItems(nil, item.Value)
			if err != nil || len(again) != 1 {
				t.Fatalf("record splits into %d items, %v: %s", len(again), err, item.Value)
			}
			if string(again[0].Key) != string(item.Key) || again[0].Field != item.Field || again[0].Kind != item.Kind {
				t.Fatalf("record is %+v, item was %+v", again[0], item)
			}
			if len(items) > 1 && meaning(item.Value) != meaning(again[0].Value) {
				t.Fatal("record means something else")
			}
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	for _, name := range []string{"text", "batch_100_messages", "messenger_text"} {
		var wire bytes.Buffer
		if err := json.Compact(&wire, read(b, "testdata/payloads/"+name+".json")); err != nil {
			b.Fatal(err)
		}
		body := wire.Bytes()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			var items []meta.Item
			for b.Loop() {
				var err error
				if items, err = meta.AppendItems(items[:0], body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
