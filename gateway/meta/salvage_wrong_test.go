package meta_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
)

// stopped gives who said STOP by a body, as ingress and inbound go about it together.
func stopped(body []byte) []chat.Identifier {
	values := [][]byte{body}
	if items, err := meta.AppendItems(nil, body); err == nil {
		values = values[:0]
		for _, item := range items {
			values = append(values, item.Value)
		}
	}
	for _, value := range values {
		in, err := meta.Decode(value)
		if err != nil {
			var ok bool
			if in, ok = meta.Salvage(value); !ok {
				continue
			}
		}
		if in.Acts && slices.Contains(in.Texts, "STOP") {
			return in.Who
		}
	}
	return nil
}

// stops are bodies by which one person says STOP on each platform, and that person.
func stops(t *testing.T) map[string]chat.Identifier {
	t.Helper()
	all := map[string]chat.Identifier{}
	for name, who := range map[string]chat.Identifier{
		"text_stop": "phone:447700900101", "messenger_text": "psid:100200300400500/7000000000000001", "instagram_text": "igsid:178400000000001/9100000000000001",
	} {
		raw, err := os.ReadFile("testdata/payloads/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		raw = regexp.MustCompile(`"(body|text)": "[^"]*"`).ReplaceAll(raw, []byte(`"$1": "STOP"`))
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			t.Fatal(err)
		}
		if got := stopped(compact.Bytes()); !slices.Contains(got, who) {
			t.Fatalf("%s: %v in %s", name, got, compact.String())
		}
		all[compact.String()] = who
	}
	return all
}

// TestAStopOutlivesWhatIsWrongAroundIt spoils each value in turn but those that say who wrote what to whom.
func TestAStopOutlivesWhatIsWrongAroundIt(t *testing.T) {
	value := regexp.MustCompile(`"([a-z_]+)":("[^"]*"|[0-9]+)`)
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	spoilt := 0
	for body, who := range stops(t) {
		for _, at := range value.FindAllStringSubmatchIndex(body, -1) {
			name := body[at[2]:at[3]]
			if slices.Contains([]string{"object", "phone_number_id", "from", "body", "text"}, name) || name == "id" && !strings.Contains(body[at[4]:at[5]], "wamid") {
				continue
			}
			for _, wrong := range []string{
				`null`, `7`, `-1e999`, `true`, `[]`, `{}`, `[{"a":[null]}]`, `{"type":{}}`, `"` + "\xff\xfe\xc0" + `"`, `"` + "\x00" + `"`, `"\ud800"`,
				`"` + strings.Repeat("x", 1<<20) + `"`, deep, `nonsense`, ``,
			} {
				body := body[:at[4]] + wrong + body[at[5]:]
				spoilt++
				if got := stopped([]byte(body)); !slices.Contains(got, who) {
					t.Errorf("%s as %.30q: %v", name, wrong, got)
				}
			}
		}
	}
	if spoilt < 100 {
		t.Errorf("only %d", spoilt)
	}
}

// TestAStopIsSeenWhereverItsWebhookBreaksOff cuts it anywhere behind sender and words.
func TestAStopIsSeenWhereverItsWebhookBreaksOff(t *testing.T) {
	for body, who := range stops(t) {
		from := strings.Index(body, `"STOP"`) + len(`"STOP"`)
		for end := from; end < len(body); end++ {
			if got := stopped([]byte(body[:end])); !slices.Contains(got, who) {
				t.Fatalf("cut before %q: %v", body[end:], got)
			}
		}
	}
}

// TestPressesOfAnotherFormAreSeen gives what stands where a button's or a caption's text belongs.
func TestPressesOfAnotherFormAreSeen(t *testing.T) {
	for _, content := range []string{
		`"type":"button","button":"STOP"`, `"type":"button","button":["STOP"]`, `"type":"button","button":{"text":["STOP"]}`, `"type":"button","button":{"payload":{"v":"STOP"}}`,
		`"type":"interactive","interactive":"STOP"`, `"type":"interactive","interactive":{"button_reply":["STOP"]}`, `"type":"interactive","interactive":[{"list_reply":{"title":"STOP"}}]`,
		`"type":"image","image":{"caption":["STOP"]}`, `"type":"edit","edit":{"message":{"type":"text","text":["STOP"]}}`, `"type":7,"text":{"body":"STOP"}`,
	} {
		if got := stopped(whatsapp("messages", "messages", `{"from":"447700900101",`+content+`}`)); !slices.Equal(got, []chat.Identifier{"phone:447700900101"}) {
			t.Errorf("%s: %v", content, got)
		}
	}
	for _, content := range []string{
		`"message":"STOP"`, `"message":["STOP"]`, `"message":{"quick_reply":{"payload":["STOP"]}}`, `"postback":{"title":["STOP"]}`, `"postback":"STOP"`,
		`"message_edit":{"text":{"v":"STOP"}}`, `"message_edit":["STOP"]`,
	} {
		for object, who := range map[string]chat.Identifier{"page": "psid:1/7", "instagram": "igsid:1/7"} {
			body := `{"object":"` + object + `","entry":[{"id":"1","messaging":[{"sender":{"id":"7"},"recipient":{"id":"1"},` + content + `}]}]}`
			if got := stopped([]byte(body)); !slices.Equal(got, []chat.Identifier{who}) {
				t.Errorf("%s: %v", body, got)
			}
		}
	}
}

// TestWordsOfAnotherFormAreSeen gives what stands where the text belongs.
func TestWordsOfAnotherFormAreSeen(t *testing.T) {
	for body, who := range stops(t) {
		for _, wrong := range []string{`["STOP"]`, `{"body":"STOP"}`, `{"text":["STOP"]}`, `[{"v":[["STOP"]]}]`, `[null,7,"STOP"]`} {
			body := strings.Replace(body, `"STOP"`, wrong, 1)
			if got := stopped([]byte(body)); !slices.Contains(got, who) {
				t.Errorf("%s: %v", wrong, got)
			}
		}
	}
}
