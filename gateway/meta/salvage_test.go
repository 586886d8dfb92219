package meta_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
)

// TestSalvage finds who wrote what in records that Decode refuses.
func TestSalvage(t *testing.T) {
	const contact = `"contacts":[{"profile":{"name":"STOP"},"wa_id":"447700900101","user_id":"GB.1"}]`
	torn := func(record []byte, n int) []byte { return record[:len(record)-n] }
	whole := whatsapp("messages", "messages", `{"from":"447700900101","id":"wamid.1","timestamp":"1794300000",`+saysStop+`}`)
	for name, c := range map[string]struct {
		record []byte
		texts  []string
		who    []chat.Identifier
	}{
		"text in an array":       {whatsapp("messages", "messages", `{"from":"447700900101","type":"text","text":["STOP"]}`), []string{"STOP"}, []chat.Identifier{"phone:447700900101"}},
		"body in an object":      {whatsapp("standby", "messages", `{"from":"447700900101","type":"text","text":{"body":{"v":"STOP"}}}`), []string{"STOP"}, []chat.Identifier{"phone:447700900101"}},
		"sender in an object":    {whatsapp("messages", "messages", `{"from":{"id":"447700900101"},`+saysStop+`}`), []string{"STOP"}, []chat.Identifier{"phone:447700900101"}},
		"a bare string":          {whatsapp("messages", "messages", `"STOP"`, contact), []string{"STOP"}, []chat.Identifier{"phone:447700900101", "bsuid:GB.1"}},
		"BSUID alone":            {whatsapp("messages", "messages", `{"from_user_id":["GB.1"],`+saysStop+`}`), []string{"STOP"}, []chat.Identifier{"bsuid:GB.1"}},
		"torn off at the end":    {torn(whole, 4), []string{"STOP"}, []chat.Identifier{"phone:447700900101"}},
		"torn before its object": {[]byte(`{"entry":[{"changes":[{"value":{"metadata":{"phone_number_id":"3101"},"messages":[{"from":"447700900101",` + saysStop + `}]}}],"id":"1"}],"obj`), []string{"STOP"}, []chat.Identifier{"phone:447700900101"}},
		"torn off in the text":   {torn(whole, 9), []string{"STOP"}, []chat.Identifier{"phone:447700900101"}},
		"a raw line break":       {[]byte(strings.Replace(string(whole), "wamid.1", "wamid\n1", 1)), []string{"STOP"}, []chat.Identifier{"phone:447700900101"}},
		"Messenger":              {[]byte(`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"7"},"recipient":{"id":"1"},"message":["STOP",{"text":"STOP"}]}]}]}`), []string{"STOP"}, []chat.Identifier{"psid:1/7"}},
	} {
		if _, err := meta.Decode(c.record); err == nil {
			t.Errorf("%s: needs no salvage", name)
		}
		in, ok := meta.Salvage(c.record)
		if !ok || !in.Acts || in.Kind != chat.KindMessage {
			t.Errorf("%s: %v %+v", name, ok, in)
		}
		if diff := cmp.Diff(c.texts, in.Texts) + cmp.Diff(c.who, in.Who); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if number := map[bool]string{true: "1", false: "3101"}[name == "Messenger"]; in.NumberID != number {
			t.Errorf("%s: number %q", name, in.NumberID)
		}
	}
	in, _ := meta.Salvage(torn(whole, 3))
	if in.MessageID != "wamid.1" || !in.At.Equal(time.Unix(1794300000, 0)) || in.Given != "447700900101" || in.Field != "messages" {
		t.Errorf("%+v", in)
	}
}

// TestSalvageActsOnNothingElse lists what must not become an opt-out.
func TestSalvageActsOnNothingElse(t *testing.T) {
	from := `"from":"447700900101","id":"wamid.1",`
	for name, record := range map[string][]byte{
		"nothing":            nil,
		"no JSON":            []byte("STOP from 447700900101"),
		"history":            whatsapp("history", "history", `{"threads":[{"messages":[{`+from+`"text":["STOP"]}]}]}`),
		"history, elsewhere": whatsapp("messages", "history", `{"threads":[{"messages":[{`+from+`"text":["STOP"]}]}]}`),
		"echo, elsewhere":    whatsapp("standby", "message_echoes", `{`+from+`"text":["STOP"]}`),
		"echo":               whatsapp("smb_message_echoes", "message_echoes", `{`+from+`"text":["STOP"]}`),
		"forwarded":          whatsapp("messages", "messages", `{`+from+`"text":["STOP"],"context":{"forwarded":true}}`),
		"group":              whatsapp("messages", "messages", `{`+from+`"text":["STOP"],"group_id":"g"}`),
		"reaction":           whatsapp("messages", "messages", `{`+from+`"reaction":{"text":"STOP"}}`),
		"our own number":     whatsapp("messages", "messages", `{"from":"15550140001","text":["STOP"]}`),
		"two people":         whatsapp("messages", "messages", `{`+from+`"text":["STOP"]},{"from":"447700900102","text":["x"]}`),
		"two messages":       whatsapp("messages", "messages", `{`+from+`"text":["x"]},{"from":"447700900101","id":"wamid.2","text":["STOP"]}`),
		"a status":           whatsapp("messages", "statuses", `{`+from+`"text":["STOP"]}`),
		"a quoted text":      whatsapp("messages", "messages", `{`+from+`"context":{"text":"STOP"}}`),
		"an advert":          whatsapp("messages", "messages", `{`+from+`"referral":{"body":"STOP"}}`),
		"a name":             whatsapp("messages", "messages", `{`+from+`"type":"text"}`, `"contacts":[{"profile":{"name":"STOP"},"wa_id":"447700900101"}]`),
		"text of nobody":     whatsapp("messages", "messages", `{"text":["STOP"]}`),
		"another platform":   []byte(`{"object":"user","entry":[{"messages":[{` + from + `"text":["STOP"]}]}]}`),
		"Messenger, echo":    []byte(`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"1"},"message":{"is_echo":true,"text":["STOP"]}}]}]}`),
		"Messenger, torn":    []byte(`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"1"},"recipient":{"id":"7"},"message":{"text":"STOP","is_`),
		"Messenger, others":  []byte(`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"7"}},{"sender":{"id":"8"},"message":{"text":["STOP"]}}]}]}`),
	} {
		if in, ok := meta.Salvage(record); ok {
			t.Errorf("%s: %+v", name, in)
		}
	}
}

// TestSalvageIsQuickInTheDepths: a search through all names around each value would take hours here.
func TestSalvageIsQuickInTheDepths(t *testing.T) {
	deep := strings.Repeat(`{"a":1,"b":[2,`, 200_000)
	record := whatsapp("messages", "messages", `{"from":"447700900101","text":"STOP","x":`+deep)
	if in, ok := meta.Salvage(record); !ok || in.Texts[0] != "STOP" {
		t.Errorf("%v %+v", ok, in)
	}
}

// TestAControlCharacterSpoilsItsOwnMessageOnly: Meta has sent a raw NUL. Its message is kept and salvaged, its neighbours are
// understood.
func TestAControlCharacterSpoilsItsOwnMessageOnly(t *testing.T) {
	for _, text := range []string{"STOP\x00", "\x01STOP", "ST\u00adOP\n", `STOP\u0020` + "\x00"} {
		spoilt := `{"from":"447700900101","id":"wamid.1","type":"text","text":{"body":"` + text + `"}}`
		items, err := meta.AppendItems(nil, whatsapp("messages", "messages", spoilt))
		if err != nil || len(items) != 1 || string(items[0].Key) != "447700900101" {
			t.Fatalf("%q: %d items, %v", text, len(items), err)
		}
		items, err = meta.AppendItems(nil, whatsapp("messages", "messages", spoilt+`,{"from":"447700900102","id":"wamid.2","type":"text","text":{"body":"hello"}}`))
		if err != nil || len(items) != 2 {
			t.Fatalf("%q and a neighbour: %d items, %v", text, len(items), err)
		}
		if in, err := meta.Decode(items[1].Value); err != nil || len(in.Texts) != 1 || in.Texts[0] != "hello" {
			t.Errorf("%q: its neighbour is %+v, %v", text, in, err)
		}
		if _, err := meta.Decode(items[0].Value); err == nil {
			t.Errorf("%q is JSON", text)
		}
		in, ok := meta.Salvage(items[0].Value)
		if !ok || len(in.Texts) != 1 || !strings.Contains(in.Texts[0], "OP") || len(in.Who) != 1 || in.Who[0] != "phone:447700900101" || in.Raw != nil {
			t.Errorf("%q: salvaged %v, %+v", text, ok, in)
		}
	}
}

// TestSalvageAgreesWithDecode tries it on what needs none: where both see words that act, they see the same.
func TestSalvageAgreesWithDecode(t *testing.T) {
	agreed := 0
	for _, body := range payloads(t) {
		items, err := meta.AppendItems(nil, body)
		if err != nil {
			continue
		}
		for _, item := range items {
			want, err := meta.Decode(item.Value)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := meta.Salvage(item.Value)
			if !ok {
				continue
			}
			agreed++
			if want.Kind == chat.KindMessage && !want.Acts {
				t.Errorf("salvaged what may not act: %s", item.Value)
			}
			if diff := cmp.Diff(want.Who, got.Who); diff != "" || want.NumberID != got.NumberID {
				t.Errorf("%s (-want +got):\n%s", item.Value, diff)
			}
			if want.Type == "text" && !slices.Equal(want.Texts, got.Texts) {
				t.Errorf("%q, want %q", got.Texts, want.Texts)
			}
		}
	}
	if agreed < 100 {
		t.Errorf("salvaged only %d", agreed)
	}
}

func FuzzSalvage(f *testing.F) {
	for _, seed := range payloads(f) {
		f.Add(seed)
		f.Add(seed[:len(seed)*2/3])
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		in, ok := meta.Salvage(record)
		if !ok {
			return
		}
		if len(in.Who) == 0 || len(in.Texts) == 0 || in.Given == "" || in.Platform == "" || !in.Acts {
			t.Fatalf("%+v", in)
		}
		if in.Raw != nil && !json.Valid(in.Raw) {
			t.Fatal("Raw is no JSON")
		}
	})
}
