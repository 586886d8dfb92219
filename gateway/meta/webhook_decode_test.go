package meta_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
)

// whatsapp wraps an item of an array in an envelope.
func whatsapp(field, array, item string, more ...string) []byte {
	return envelope(`{"field":"` + field + `","value":{"metadata":{"display_phone_number":"+1 555 014 0001","phone_number_id":"3101"},` +
		strings.Join(append(more, ""), ",") + `"` + array + `":[` + item + `]}}`)
}

// heard decodes an element of messages.
func heard(t *testing.T, item string, more ...string) chat.Inbound {
	t.Helper()
	return decoded(t, whatsapp("messages", "messages", item, more...))
}

func decoded(t *testing.T, record []byte) chat.Inbound {
	t.Helper()
	in, err := meta.Decode(record)
	if err != nil {
		t.Fatalf("%s: %v", record, err)
	}
	return in
}

const saysStop = `"type":"text","text":{"body":"STOP"}`

func TestTimesOfAllWritings(t *testing.T) {
	want := time.Unix(1794300000, 0).UTC()
	for written, want := range map[string]time.Time{
		`"1794300000"`: want, `1794300000`: want, `1794300000.5`: want, `" 1794300000 "`: want,
		`1794300000123`: want.Add(123 * time.Millisecond), `"1794300000123"`: want.Add(123 * time.Millisecond),
		`"not-a-number"`: {}, `null`: {}, `""`: {}, `{}`: {}, `[1794300000]`: {}, `true`: {}, `0`: {}, `-1794300000`: {}, `5`: {},
		`99999999999`: {}, `1e999`: {}, `1794300000123456789`: {}, `123456789012345678901234567890`: {},
	} {
		in := heard(t, `{"from":"447700900101","timestamp":`+written+`,`+saysStop+`}`)
		if !in.At.Equal(want) {
			t.Errorf("%s: %v, want %v", written, in.At, want)
		}
		if !in.Acts || len(in.Texts) != 1 {
			t.Errorf("%s: the message is gone: %+v", written, in)
		}
	}
	if in := heard(t, `{"from":"447700900101",`+saysStop+`}`); !in.At.IsZero() {
		t.Errorf("no time at all: %v", in.At)
	}
}

func TestWordsOfAKindThatMetaAddsLaterAct(t *testing.T) {
	for _, item := range []string{
		`{"from":"447700900101","type":"hologram","text":{"body":"STOP"}}`, `{"from":"447700900101","type":"hologram","hologram":{"body":"STOP"}}`,
		`{"from":"447700900101","type":"hologram","hologram":{"caption":"STOP"}}`,
	} {
		if in := heard(t, item); !in.Acts || len(in.Texts) != 1 || in.Texts[0] != "STOP" {
			t.Errorf("%s: %+v", item, in)
		}
	}
}

func TestWhoInAllWritings(t *testing.T) {
	const ada = `"contacts":[{"wa_id":"447700900101","user_id":"GB.1a","parent_user_id":"GB.ENT.1a"}]`
	all := []chat.Identifier{"phone:447700900101", "bsuid:GB.1a", "bsuid:GB.ENT.1a"}
	for name, c := range map[string]struct {
		item, more string
		want       []chat.Identifier
		given      string
	}{
		"phone":                     {`"from":"447700900101"`, ``, all[:1], "447700900101"},
		"phone with a plus":         {`"from":"+447700900101"`, ``, all[:1], "+447700900101"},
		"phone as a number":         {`"from":447700900101`, ``, all[:1], "447700900101"},
		"no phone at all":           {`"from":"12"`, ``, []chat.Identifier{"phone:12"}, "12"},
		"too long for a phone":      {`"from":"12345678901234567890"`, ``, []chat.Identifier{"phone:12345678901234567890"}, "12345678901234567890"},
		"Brazil before the 9":       {`"from":"551187654321"`, ``, []chat.Identifier{"phone:5511987654321"}, "551187654321"},
		"BSUID":                     {`"from_user_id":"GB.1a"`, ``, all[1:2], "GB.1a"},
		"BSUID in from":             {`"from":"GB.1a"`, ``, all[1:2], "GB.1a"},
		"parent in from":            {`"from":"GB.ENT.1a"`, ``, all[2:], "GB.ENT.1a"},
		"all three, in odd order":   {`"from_parent_user_id":"GB.ENT.1a","from_user_id":"GB.1a","from":"447700900101"`, ``, all, "447700900101"},
		"a BSUID of a new form":     {`"from_user_id":"gb-1"`, ``, []chat.Identifier{"bsuid:gb-1"}, "gb-1"},
		"contact of the phone":      {`"from":"447700900101"`, ada, all, "447700900101"},
		"contact of the BSUID":      {`"from_user_id":"GB.1a"`, ada, all, "447700900101"},
		"contact of another":        {`"from":"447700900102"`, ada, []chat.Identifier{"phone:447700900102"}, "447700900102"},
		"nobody, and one contact":   {`"from":""`, ada, all, "447700900101"},
		"BSUID as wa_id":            {`"from":"GB.1a"`, `"contacts":[{"wa_id":"GB.1a","user_id":"GB.1a"}]`, all[1:2], "GB.1a"},
		"Brazil, contact otherwise": {`"from":"551187654321"`, `"contacts":[{"wa_id":"5511987654321","user_id":"BR.1"}]`, []chat.Identifier{"phone:5511987654321", "bsuid:BR.1"}, "551187654321"},
	} {
		var more []string
		if c.more != "" {
			more = append(more, c.more)
		}
		in := heard(t, `{`+c.item+`,`+saysStop+`}`, more...)
		if diff := cmp.Diff(c.want, in.Who); diff != "" || in.Given != c.given {
			t.Errorf("%s: given %q (-want +got):\n%s", name, in.Given, diff)
		}
	}
}

func TestWhatNobodySaidIsRefused(t *testing.T) {
	two := `"contacts":[{"wa_id":"447700900101"},{"wa_id":"447700900102"}]`
	for name, record := range map[string][]byte{
		"no sender":               whatsapp("messages", "messages", `{`+saysStop+`}`),
		"no sender, two contacts": whatsapp("messages", "messages", `{`+saysStop+`}`, two),
		"a number":                whatsapp("messages", "messages", `7`),
		"null":                    whatsapp("standby", "messages", `null`),
		"text that is a number":   whatsapp("messages", "messages", `{"from":"447700900101","type":"text","text":{"body":7}}`),
		"no text in a text":       whatsapp("messages", "messages", `{"from":"447700900101","type":"text"}`),
		"a change without value":  envelope(`{"field":"messages","value":7}`),
		"a status that is a list": whatsapp("messages", "statuses", `[]`),
		"an entry that is null":   []byte(`{"object":"page","entry":[null]}`),
		"an event of nobody":      []byte(`{"object":"page","entry":[{"id":"1","messaging":[{"message":{"text":"STOP"}}]}]}`),
		"who became nobody":       whatsapp("messages", "messages", `{"from":"447700900101","type":"system","system":{"type":"user_changed_number"}}`),
		"several items":           whatsapp("messages", "messages", `{},{}`),
	} {
		if in, err := meta.Decode(record); !errors.Is(err, meta.ErrUnreadable) {
			t.Errorf("%s: %+v, %v", name, in, err)
		}
	}
}

// TestWhatMayAct lists where a STOP counts and where it does not.
func TestWhatMayAct(t *testing.T) {
	from := `"from":"447700900101","id":"wamid.1",`
	for name, c := range map[string]struct {
		record []byte
		acts   bool
	}{
		"a message":              {whatsapp("messages", "messages", `{`+from+saysStop+`}`), true},
		"standby":                {envelope(`{"field":"standby","value":{"standby":{"messages":[{` + from + saysStop + `}]}}}`), true},
		"a field of tomorrow":    {whatsapp("messages_next", "messages", `{`+from+saysStop+`}`), true},
		"a reply":                {whatsapp("messages", "messages", `{`+from+saysStop+`,"context":{"from":"15550140001","id":"wamid.0"}}`), true},
		"without a type":         {whatsapp("messages", "messages", `{`+from+`"text":{"body":"STOP"}}`), true},
		"text that is a string":  {whatsapp("messages", "messages", `{`+from+`"type":"text","text":"STOP"}`), true},
		"an edit":                {whatsapp("messages", "messages", `{`+from+`"type":"edit","edit":{"message":{`+saysStop+`}}}`), true},
		"an edit of a caption":   {whatsapp("messages", "messages", `{`+from+`"type":"edit","edit":{"message":{"type":"image","image":{"caption":"STOP"}}}}`), true},
		"forwarded":              {whatsapp("messages", "messages", `{`+from+saysStop+`,"context":{"forwarded":true}}`), false},
		"often forwarded":        {whatsapp("messages", "messages", `{`+from+saysStop+`,"context":{"frequently_forwarded":true}}`), false},
		"an edit, forwarded":     {whatsapp("messages", "messages", `{`+from+`"type":"edit","edit":{"message":{`+saysStop+`}},"context":{"forwarded":true}}`), false},
		"an edit of a forward":   {whatsapp("messages", "messages", `{`+from+`"type":"edit","edit":{"message":{`+saysStop+`,"context":{"forwarded":true}}}}`), false},
		"in a group":             {whatsapp("messages", "messages", `{`+from+saysStop+`,"group_id":"g"}`), false},
		"from our own number":    {whatsapp("messages", "messages", `{"from":"15550140001",`+saysStop+`}`), false},
		"a message of history":   {whatsapp("history", "messages", `{`+from+saysStop+`}`), false},
		"with history's mark":    {whatsapp("messages", "messages", `{`+from+saysStop+`,"history_context":{"status":"READ"}}`), false},
		"history":                {whatsapp("history", "history", `{"threads":[{"messages":[{`+from+saysStop+`}]}]}`), false},
		"an echo":                {whatsapp("smb_message_echoes", "message_echoes", `{"from":"15550140001","to":"447700900101",`+saysStop+`}`), false},
		"an echo on standby":     {envelope(`{"field":"standby","value":{"standby":{"message_echoes":[{"to":"447700900101",` + saysStop + `}]}}}`), false},
		"a reaction":             {whatsapp("messages", "messages", `{`+from+`"type":"reaction","reaction":{"emoji":"STOP"}}`), false},
		"a revoked message":      {whatsapp("messages", "messages", `{`+from+`"type":"revoke"}`), false},
		"Messenger":              {[]byte(`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"7"},"message":{"text":"STOP"}}]}]}`), true},
		"Messenger, standby":     {[]byte(`{"object":"page","entry":[{"id":"1","standby":[{"sender":{"id":"7"},"message":{"text":"STOP"}}]}]}`), true},
		"Messenger, edited":      {[]byte(`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"7"},"message_edit":{"text":"STOP"}}]}]}`), true},
		"Messenger, echo":        {[]byte(`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"1"},"recipient":{"id":"7"},"message":{"is_echo":true,"text":"STOP"}}]}]}`), false},
		"Instagram, unsent":      {[]byte(`{"object":"instagram","entry":[{"id":"1","messaging":[{"sender":{"id":"7"},"message":{"is_deleted":true}}]}]}`), false},
		"Instagram's dashboard":  {[]byte(`{"object":"instagram","entry":[{"id":"0","changes":[{"field":"messages","value":{"sender":{"id":"7"},"recipient":{"id":"1"},"timestamp":"1527459824","message":{"mid":"m","text":"STOP"}}}]}]}`), true},
		"Messenger, by a button": {[]byte(`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"7"},"postback":{"title":"STOP","payload":"STOP"}}]}]}`), true},
		"Messenger, liking it":   {[]byte(`{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"7"},"reaction":{"reaction":"STOP"}}]}]}`), false},
	} {
		in := decoded(t, c.record)
		if in.Acts != c.acts || c.acts && (len(in.Texts) != 1 || in.Texts[0] != "STOP" || len(in.Who) != 1) {
			t.Errorf("%s: %+v", name, in)
		}
	}
}

func TestAllThatWasPressed(t *testing.T) {
	for item, want := range map[string][]string{
		`"type":"button","button":{"text":"Stop","payload":"OUT"}`:                                                              {"Stop", "OUT"},
		`"type":"button","button":{"text":"Stop","payload":"Stop"}`:                                                             {"Stop"},
		`"type":"button","button":{"payload":"Stop"}`:                                                                           {"Stop"},
		`"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"b","title":"Stop"}}`:                   {"Stop", "b"},
		`"type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"r","title":"Stop","description":"never"}}`: {"Stop", "r"},
		`"type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"body":"Sent","response_json":"[1]"}}`:             nil,
		`"type":"video","video":{"caption":"Stop"}`:                                                                             {"Stop"},
		`"type":"document","document":{"caption":"Stop","filename":"stop"}`:                                                     {"Stop"},
		`"type":"location","location":{"name":"Stop"}`:                                                                          nil,
		`"type":"text","text":{"body":""}`:                                                                                      nil,
		`"type":"text","text":{"body":"\u0053TOP\ud83d"}`:                                                                       {"STOP\ufffd"},
	} {
		in := heard(t, `{"from":"447700900101",`+item+`}`)
		if diff := cmp.Diff(want, in.Texts); diff != "" {
			t.Errorf("%s (-want +got):\n%s", item, diff)
		}
	}
}

func TestWhoBecameWhom(t *testing.T) {
	for name, c := range map[string]struct {
		message     string
		who, before []chat.Identifier
	}{
		"number, all named": {`"from":"447700900101","system":{"type":"user_changed_number","wa_id":"447700900177","user_id":"GB.2","parent_user_id":"GB.ENT.2","previous_user_id":"GB.1","previous_parent_user_id":"GB.ENT.1"}`,
			[]chat.Identifier{"phone:447700900177", "bsuid:GB.2", "bsuid:GB.ENT.2"}, []chat.Identifier{"phone:447700900101", "bsuid:GB.1", "bsuid:GB.ENT.1"}},
		"number, in the sentence": {`"system":{"type":"user_changed_number","body":"User Ada changed from 447700900101 to 447700900177"}`,
			[]chat.Identifier{"phone:447700900177"}, []chat.Identifier{"phone:447700900101"}},
		"number, old BSUID in the sentence": {`"from":"447700900101","system":{"type":"user_changed_number","wa_id":"447700900177","user_id":"GB.2","body":"User Ada changed from GB.1 to GB.2."}`,
			[]chat.Identifier{"phone:447700900177", "bsuid:GB.2"}, []chat.Identifier{"phone:447700900101", "bsuid:GB.1"}},
		"number, a name that lies": {`"from":"447700900101","system":{"type":"user_changed_number","wa_id":"447700900177","body":"User changed from 447700900666 to 447700900667 changed from 447700900101 to 447700900177"}`,
			[]chat.Identifier{"phone:447700900177"}, []chat.Identifier{"phone:447700900101"}},
		"number, the oldest shape": {`"from":"447700900177","system":{"type":"customer_changed_number","new_wa_id":"447700900177","customer":"447700900101"}`,
			[]chat.Identifier{"phone:447700900177"}, []chat.Identifier{"phone:447700900101"}},
		"number, the phone in the sentence alone": {`"from":"447700900177","system":{"type":"user_changed_number","body":"User Ada changed from 447700900101 to 447700900177","wa_id":"447700900177","user_id":"GB.2","previous_user_id":"GB.1"}`,
			[]chat.Identifier{"phone:447700900177", "bsuid:GB.2"}, []chat.Identifier{"phone:447700900101", "bsuid:GB.1"}},
		"number, the new phone in the sentence alone": {`"from":"447700900101","system":{"type":"user_changed_number","body":"User Ada changed from +44 7700 900101 to +44 (7700) 900-177.","user_id":"GB.2","previous_user_id":"GB.1"}`,
			[]chat.Identifier{"phone:447700900177", "bsuid:GB.2"}, []chat.Identifier{"phone:447700900101", "bsuid:GB.1"}},
		"number, of a kind that sounds like it": {`"from":"447700900101","system":{"type":"customer_changed_phone_number","wa_id":"447700900177"}`,
			[]chat.Identifier{"phone:447700900177"}, []chat.Identifier{"phone:447700900101"}},
		"number, without a kind": {`"from":"447700900101","system":{"wa_id":"447700900177","body":"?"}`,
			[]chat.Identifier{"phone:447700900177"}, []chat.Identifier{"phone:447700900101"}},
		"BSUID": {`"system":{"type":"user_changed_user_id","user_id":"GB.2","previous_user_id":"GB.1"}`,
			[]chat.Identifier{"bsuid:GB.2"}, []chat.Identifier{"bsuid:GB.1"}},
		"BSUID, the phone stays": {`"from":"447700900101","system":{"type":"user_changed_user_id","user_id":"GB.2","previous_user_id":"GB.1"}`,
			[]chat.Identifier{"phone:447700900101", "bsuid:GB.2"}, []chat.Identifier{"bsuid:GB.1"}},
		"BSUID, in the sentence": {`"system":{"type":"user_changed_user_id","body":"User Ada changed from GB.1 to GB.2"}`,
			[]chat.Identifier{"bsuid:GB.2"}, []chat.Identifier{"bsuid:GB.1"}},
	} {
		in := heard(t, `{"type":"system","timestamp":"1794300000",`+c.message+`}`)
		if in.Kind != chat.KindIdentity || in.Acts {
			t.Errorf("%s: %+v", name, in)
		}
		if diff := cmp.Diff(c.who, in.Who) + cmp.Diff(c.before, in.Before); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	in := heard(t, `{"type":"system","system":{"type":"user_changed_user_id","user_id":"GB.2","previous_user_id":"GB.1"}}`,
		`"contacts":[{"wa_id":"447700900177","user_id":"GB.2"},{"wa_id":"447700900188","user_id":"GB.8"}]`)
	if diff := cmp.Diff([]chat.Identifier{"phone:447700900177", "bsuid:GB.2"}, in.Who); diff != "" {
		t.Errorf("a contact of the same person (-want +got):\n%s", diff)
	}
	if in := heard(t, `{"from":"447700900101","type":"system","system":{"type":"customer_identity_changed"}}`); in.Kind != chat.KindMessage || in.Acts {
		t.Errorf("a new device is no new person: %+v", in)
	}
	if in := heard(t, `{"from":"447700900101","type":"system","system":{"wa_id":"447700900101"}}`); in.Kind != chat.KindMessage || in.Acts {
		t.Errorf("the same number is no new person: %+v", in)
	}
}

func TestReceipts(t *testing.T) {
	status := func(field, item string) chat.Inbound { return decoded(t, whatsapp(field, "statuses", item)) }
	in := status("messages", `{"id":"wamid.1","status":"failed","recipient_id":"447700900101","biz_opaque_callback_data":"acme/b/3/m",
		"errors":[{"code":"131000","title":"Something"},{"code":131050,"title":"(#131050) +44 7700 900101 stopped marketing"}]}`)
	want := &chat.Receipt{Status: "failed", Code: 131050, Detail: "… stopped marketing", Callback: "acme/b/3/m"}
	if diff := cmp.Diff(want, in.Receipt); diff != "" || in.Kind != chat.KindReceipt || in.MessageID != "wamid.1" {
		t.Errorf("%+v (-want +got):\n%s", in, diff)
	}
	for _, parent := range []string{"recipient_parent_user_id", "parent_recipient_user_id", "parent_user_id"} {
		in := status("messages", `{"status":"read","recipient_user_id":"GB.1","`+parent+`":"GB.ENT.1"}`)
		if diff := cmp.Diff([]chat.Identifier{"bsuid:GB.1", "bsuid:GB.ENT.1"}, in.Who); diff != "" {
			t.Errorf("%s (-want +got):\n%s", parent, diff)
		}
	}
	for _, one := range []string{"recipient_participant_id", "participant_recipient_id"} {
		in := status("messages", `{"status":"read","recipient_type":"group","recipient_id":"447700900199","`+one+`":"447700900101","recipient_participant_user_id":"GB.1"}`)
		if diff := cmp.Diff([]chat.Identifier{"phone:447700900101", "bsuid:GB.1"}, in.Who); diff != "" {
			t.Errorf("%s (-want +got):\n%s", one, diff)
		}
	}
	if in := status("calls", `{"id":"wacid.1","type":"call","status":"RINGING","recipient_id":"447700900101"}`); in.Receipt != nil {
		t.Errorf("a call is no message: %+v", in)
	}
}

func TestPreferences(t *testing.T) {
	for value, want := range map[string]*chat.Preference{
		`"stop"`: {Category: "marketing_messages", Stop: true}, `"STOP"`: {Category: "marketing_messages", Stop: true},
		`"resume"`: {Category: "marketing_messages"}, `"pause"`: nil, `7`: nil,
	} {
		in := decoded(t, whatsapp("user_preferences", "user_preferences", `{"wa_id":"447700900101","category":"marketing_messages","value":`+value+`}`))
		if diff := cmp.Diff(want, in.Preference); diff != "" || (in.Kind == chat.KindPreference) != (want != nil) {
			t.Errorf("%s: %s (-want +got):\n%s", value, in.Kind, diff)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range payloads(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		in, err := meta.Decode(record)
		if err != nil {
			return
		}
		if string(in.Raw) != string(record) || in.Kind == "" || in.Platform == "" {
			t.Fatalf("%+v", in)
		}
		if in.Acts && (in.Kind != chat.KindMessage || len(in.Who) == 0) {
			t.Fatalf("acts without a person: %+v", in)
		}
		if (in.Given == "") != (len(in.Who) == 0) || (in.Receipt != nil) != (in.Kind == chat.KindReceipt) || (in.Preference != nil) != (in.Kind == chat.KindPreference) {
			t.Fatalf("%+v", in)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	body := read(b, "testdata/payloads/text.json")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := meta.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
