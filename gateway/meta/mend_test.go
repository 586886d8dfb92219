package meta_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
)

// TestWhatIsNoJSONSpoilsItsOwnItem gives two messages of which one holds what JSON does not know.
func TestWhatIsNoJSONSpoilsItsOwnItem(t *testing.T) {
	const hello, stop = `"type":"text","text":{"body":"hello"}`, `{"from":"447700900101","id":"wamid.1","type":"text","text":{"body":"STOP"}}`
	for _, wrong := range []string{
		`nonsense`, ``, `tru`, `01`, `'x'`, `{"a"}`, `{"a" "b"}`, `{,}`, `[,]`, `{"a":}`, `{:1}`, `1 2`, `"\q"`, `"\u12"`, `"\ud8"`, `NaN`, `/*c*/1`, `{]`, `[}`, `{a:1}`, `[1 [2]]`, `{"a":1 "b":2}`, `{"a":1,}`,
		`"a""b"`, `{7:7}`, `x{"a":1}`,
	} {
		bad := `{"from":"447700900102","id":"wamid.2","x":` + wrong + `,` + hello + `}`
		for _, messages := range []string{bad + `,` + stop, stop + `,` + bad} {
			body := whatsapp("messages", "messages", messages)
			if _, err := meta.AppendItems(nil, body); !errors.Is(err, meta.ErrNotJSON) {
				t.Errorf("%s: needs no mending: %v", wrong, err)
			}
			items, err := meta.AppendMended(nil, body)
			understood := slices.ContainsFunc(items, func(item meta.Item) bool {
				in, err := meta.Decode(item.Value)
				return err == nil && in.Acts && in.NumberID == "3101" && slices.Equal(in.Texts, []string{"STOP"}) && slices.Equal(in.Who, []chat.Identifier{"phone:447700900101"})
			})
			seen := slices.ContainsFunc(items, func(item meta.Item) bool {
				in, ok := meta.Salvage(item.Value)
				_, err := meta.Decode(item.Value)
				return ok && err != nil && slices.Contains(in.Who, "phone:447700900102") && slices.Contains(in.Texts, "hello")
			})
			if err != nil || !understood || !seen {
				t.Errorf("%s: %d items, %v; its neighbour is understood: %v; its words are seen: %v", wrong, len(items), err, understood, seen)
			}
		}
	}
}

// TestWhatStandsAroundABodyIsNoneOfIt gives what programs put before and behind JSON.
func TestWhatStandsAroundABodyIsNoneOfIt(t *testing.T) {
	body := string(whatsapp("messages", "messages", `{"from":"447700900101",`+saysStop+`}`))
	for _, around := range [][2]string{{"\ufeff", ""}, {"", "\x00"}, {")]}',\n", ""}, {"payload=", "&x=1"}, {`"junk" 7 `, "}}]"}, {"", body}} {
		items, err := meta.AppendMended(nil, []byte(around[0]+body+around[1]))
		if err != nil || len(items) != 1 {
			t.Errorf("%.20q: %d items, %v", around, len(items), err)
			continue
		}
		if in, err := meta.Decode(items[0].Value); err != nil || !in.Acts {
			t.Errorf("%.20q: %+v, %v", around, in, err)
		}
	}
}

// TestOfABatchThatBreaksOffNothingWholeIsLost cuts a batch anywhere behind the first of its messages.
func TestOfABatchThatBreaksOffNothingWholeIsLost(t *testing.T) {
	const first, second = `{"from":"447700900101","id":"wamid.1","type":"text","text":{"body":"STOP"}}`, `{"from":"447700900102","id":"wamid.2","type":"text","text":{"body":"STOP"}}`
	body := whatsapp("messages", "messages", first+","+second)
	from := strings.Index(string(body), first) + len(first)
	for end := from; end < len(body); end++ {
		items, err := meta.AppendMended(nil, body[:end])
		if err != nil {
			t.Fatalf("cut before %q: %v", body[end:], err)
		}
		in, err := meta.Decode(items[0].Value)
		if err != nil || !slices.Equal(in.Texts, []string{"STOP"}) || in.Who[0] != "phone:447700900101" {
			t.Fatalf("cut before %q: %+v, %v", body[end:], in, err)
		}
		// The second is never more than what was there of it.
		for _, item := range items[1:] {
			if in, err := meta.Decode(item.Value); err == nil && in.Kind == chat.KindMessage && end < from+1+len(second) {
				t.Fatalf("cut before %q: a torn message is understood: %+v", body[end:], in)
			}
		}
	}
}

// TestWhatIsMendedMayNotActWhereTheWholeMayNot: marks before and after the words.
func TestWhatIsMendedMayNotActWhereTheWholeMayNot(t *testing.T) {
	for name, body := range map[string][]byte{
		"history":   whatsapp("history", "history", `{"threads":[{"messages":[{"from":"447700900101",`+saysStop+`,"x":oops}]}]}`),
		"echo":      whatsapp("smb_message_echoes", "message_echoes", `{"from":"15550140001","to":"447700900101",`+saysStop+`,"x":oops}`),
		"forwarded": whatsapp("messages", "messages", `{"from":"447700900101",`+saysStop+`,"x":oops,"context":{"forwarded":true}}`),
		"in silence, said afterwards": []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"value":{"metadata":{"phone_number_id":"3101"},"messages":[{"from":"447700900101",` +
			saysStop + `},{"x":oops}]},"field":"history"}]}]}`),
	} {
		items, err := meta.AppendMended(nil, body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, item := range items {
			in, err := meta.Decode(item.Value)
			if err != nil {
				if in, ok := meta.Salvage(item.Value); ok {
					t.Errorf("%s is salvaged: %+v", name, in)
				}
			} else if in.Acts {
				t.Errorf("%s acts: %+v", name, in)
			}
		}
	}
}

// TestNobodysWordsPassForAnothers puts a bracket where none belongs, and takes one away, anywhere in a body of several people.
func TestNobodysWordsPassForAnothers(t *testing.T) {
	said := map[chat.Identifier]string{"phone:447700900101": "3101 STOP", "phone:447700900102": "3101 hello", "phone:447700900103": "3102 stop all", "phone:447700900104": "3102 bye"}
	message := func(from, text string) string {
		return `{"from":"` + from + `","id":"wamid.` + from + `","type":"text","text":{"body":"` + text + `"}}`
	}
	change := func(number, messages string) string {
		return `{"field":"messages","value":{"metadata":{"phone_number_id":"` + number + `"},"messages":[` + messages + `]}}`
	}
	body := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` +
		change("3101", message("447700900101", "STOP")+","+message("447700900102", "hello")) + `,` +
		change("3102", message("447700900103", "stop all")+","+message("447700900104", "bye")) + `]}]}`
	check := func(wrong string) {
		items, err := meta.AppendMended(nil, []byte(wrong))
		if err != nil {
			items = []meta.Item{{Value: []byte(wrong)}}
		}
		for _, item := range items {
			in, err := meta.Decode(item.Value)
			if err != nil {
				in, _ = meta.Salvage(item.Value)
			}
			for _, who := range in.Who {
				for _, text := range []string{"STOP", "stop all"} {
					if at := in.NumberID + " " + text; in.Acts && len(in.NumberID) == 4 && slices.Contains(in.Texts, text) && said[who] != at {
						t.Errorf("%s: %s says %s", wrong, who, at)
					}
				}
			}
		}
	}
	for i := range body {
		for _, bracket := range []string{"}", "]", "{"} {
			check(body[:i] + bracket + body[i:])
		}
		if strings.ContainsRune("{}[]", rune(body[i])) {
			check(body[:i] + body[i+1:])
		}
	}
}

// TestNothingIsMendedBeyondItsSize: what grew past the largest record could never be kept, and would come again for a week.
func TestNothingIsMendedBeyondItsSize(t *testing.T) {
	for _, unit := range []string{`[`, `{"a":`, `"`, `\`, `"\q`, `{"messages":[{`, `x `, `{}`, `,`, `:`, `}`, `"a",`, `"messages":["STOP",`} {
		body := whatsapp("messages", "messages", `{"from":"447700900101",`+saysStop+`,"x":`+strings.Repeat(unit, (1<<18)/len(unit)))
		items, err := meta.AppendMended(nil, body)
		for _, item := range items {
			if len(item.Value) > len(body)+len(body)/8+10_000+2048 {
				t.Errorf("%s: %d bytes became %d, %v", unit, len(body), len(item.Value), err)
			}
		}
		if in, ok := meta.Salvage(body); err != nil && (!ok || !in.Acts) && unit != `"messages":["STOP",` && unit != `{"messages":[{` {
			t.Errorf("%s: neither mended nor salvaged: %v", unit, err)
		}
	}
}

// FuzzMend holds that whatever is mended is JSON but for what spoils it, and as long as what came, by and large.
func FuzzMend(f *testing.F) {
	for _, seed := range payloads(f) {
		f.Add(seed)
		f.Add(seed[:len(seed)*2/3])
	}
	f.Add([]byte(`{"a":{]"\`))
	f.Add([]byte(`"\u`))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := meta.AppendMended(nil, body)
		if errors.Is(err, meta.ErrNotJSON) && len(body) < 100 && !bytes.ContainsAny(body, "}]") {
			t.Errorf("%q is mended to no JSON", body)
		}
		whole, err := meta.AppendItems(nil, body)
		if err != nil {
			return
		}
		if len(whole) != len(items) {
			t.Errorf("%q holds %d items, and %d when it is mended", body, len(whole), len(items))
		}
	})
}
