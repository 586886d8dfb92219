package broadcast

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/segment"
)

// Request is what a client asks for. Its people come with it, or an Upload or a Segment holds them.
type Request struct {
	Channel    string
	Category   string
	Lists      []string
	Message    Message
	Recipients []Recipient
	Upload     string      // id of an audience
	Segment    string      // id of a segment
	StartsAt   time.Time   // zero: at once
	EndsAt     time.Time   // zero: DefaultEnd from its start
	Quiet      *chat.Quiet // nil: no quiet hours
	Rate       float64     // messages a second at most; 0: as many as the number may
	WebhookURL string      // that is told of its status; "": none
}

// Recipient is one of a request's. To may be anything that was given; Params are texts.
type Recipient struct {
	To     string
	Params map[string]string
}

// Terms are what a request is held against.
type Terms struct {
	Account   optout.Account
	Directory *chat.Directory
	Now       time.Time
	Upload    *Audience        // that the request names; nil: there is none of that id
	Segment   *segment.Segment // likewise
}

const (
	maxWrong = 100 // fields told at once
	maxGiven = 256 // bytes of a recipient's address as given
)

// ParseRequest reads the JSON of a request. Every field at fault is told, together with those that Terms find, by Draft. The
// error is a fault.Invalid where the body is no JSON object, a fault.TooLarge where it holds too many recipients.
func ParseRequest(body []byte) (Request, []fault.Field, error) {
	f, err := readForm(body, "channel", "category", "lists", "message", "recipients", "audience",
		"starts_at", "ends_at", "quiet_hours", "messages_per_second", "webhook_url")
	if err != nil {
		return Request{}, nil, err
	}
	r := Request{Channel: f.text("channel"), Category: f.text("category"), Lists: f.texts("lists"), Message: f.message()}
	f.when(&r)
	if err := f.whom(&r); err != nil {
		return Request{}, nil, err
	}
	return r, f.wrong, nil
}

// whom reads whom a broadcast goes to: exactly one of recipients, audience.upload and audience.segment.
func (f *form) whom(r *Request) error {
	raw, inline := f.members["recipients"]
	if named, there := f.members["audience"]; there {
		f.audience(r, named)
		if inline {
			f.say("recipients", "one_source", "can't be given beside audience")
		}
		return nil
	}
	var given []json.RawMessage
	if !inline || json.Unmarshal(raw, &given) != nil || len(given) == 0 {
		f.say("recipients", "required", "must be a list of at least one recipient, unless audience names an upload or a segment")
		return nil
	}
	if len(given) > MaxRecipients {
		return fault.New(fault.TooLarge, "too_many_recipients",
			"A broadcast takes at most %d recipients in its request, not %d: upload them as an audience.", MaxRecipients, len(given))
	}
	r.Recipients = make([]Recipient, len(given))
	for i, raw := range given {
		r.Recipients[i] = f.recipient("recipients["+strconv.Itoa(i)+"]", raw)
	}
	return nil
}

// audience reads {"upload":"…"} or {"segment":"…"}.
func (f *form) audience(r *Request, raw json.RawMessage) {
	var named map[string]any
	if json.Unmarshal(raw, &named) != nil || len(named) != 1 {
		f.say("audience", "invalid", `must be {"upload":"<id>"} or {"segment":"<id>"}`)
		return
	}
	for name, value := range named {
		id, _ := value.(string)
		switch {
		case name != "upload" && name != "segment":
			f.say("audience."+name, "unknown_member", "is not known here: upload and segment are")
		case id == "" || len(id) > maxID || strings.Contains(id, "/"):
			f.say("audience."+name, "invalid", "must be the id that it was given")
		case name == "upload":
			r.Upload = id
		default:
			r.Segment = id
		}
	}
}

const maxID = 128 // bytes of an id

// form is a JSON object that is being read, with what is wrong in it.
type form struct {
	members map[string]json.RawMessage
	wrong   []fault.Field
}

func readForm(body []byte, known ...string) (*form, error) {
	f := &form{}
	if err := json.Unmarshal(body, &f.members); err != nil || f.members == nil {
		return nil, fault.New(fault.Invalid, "invalid_json", "The body must be a JSON object.")
	}
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		if !slices.Contains(known, name) {
			f.say(name, "unknown_member", "is not known here")
		}
		if string(f.members[name]) == "null" {
			delete(f.members, name)
		}
	}
	return f, nil
}

func (f *form) say(field, code, detail string) {
	if len(f.wrong) < maxWrong {
		f.wrong = append(f.wrong, fault.Field{Field: field, Code: code, Detail: detail})
	}
}

// err is the one error about all fields at fault; nil where there are none.
func (f *form) err() error {
	if len(f.wrong) == 0 {
		return nil
	}
	return &fault.Error{
		Kind: fault.Unprocessable, Code: "invalid_fields", Msg: "Some fields can't be taken as they are.", Fields: f.wrong,
	}
}

// text reads a text that must be there.
func (f *form) text(name string) (text string) {
	switch raw, there := f.members[name]; {
	case !there:
		f.say(name, "required", "must be given")
	case json.Unmarshal(raw, &text) != nil:
		f.say(name, "invalid", "must be a text")
	case text == "":
		f.say(name, "required", "must not be empty")
	}
	return text
}

func (f *form) texts(name string) (texts []string) {
	if raw, there := f.members[name]; there && json.Unmarshal(raw, &texts) != nil {
		f.say(name, "invalid", "must be a list of texts")
	}
	return texts
}

func (f *form) message() Message {
	raw, there := f.members["message"]
	if !there {
		f.say("message", "required", "must be given")
		return Message{}
	}
	m, wrong := ParseMessage(raw)
	for _, w := range wrong {
		f.say(w.Field, w.Code, w.Detail)
	}
	return m
}

func (f *form) recipient(field string, raw json.RawMessage) (r Recipient) {
	var given struct {
		To     any             `json:"to"`
		Params json.RawMessage `json:"params"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields() // a parameter beside params would be missing in every message
	if !json.Valid(raw) || d.Decode(&given) != nil {
		f.say(field, "invalid", `must be as {"to":"+447700900101","params":{}} and hold nothing else`)
		return r
	}
	switch to := given.To.(type) {
	case nil:
	case string:
		r.To = to
	default:
		f.say(field+".to", "invalid", "must be a text")
	}
	if len(r.To) > maxGiven {
		f.say(field+".to", "too_long", fmt.Sprintf("at most %d bytes", maxGiven))
	}
	r.Params = f.params(field+".params", given.Params)
	return r
}

// params reads an object of parameters; null counts as not there.
func (f *form) params(field string, raw json.RawMessage) map[string]string {
	if raw == nil {
		return nil
	}
	var given map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&given); err != nil {
		f.say(field, "invalid", `must be an object, as {"name":"Ada"}`)
		return nil
	}
	params := make(map[string]string, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if text, ok := parameter(given[name]); ok {
			params[name] = text
		} else if given[name] != nil {
			f.say(field+"."+name, "invalid", "must be a text, a number, true or false")
		}
	}
	return params
}

// parameter writes a parameter's value as it stands in a message.
func parameter(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// check holds channel, category and lists against the account; a field that is missing was told before.
func (t Terms) check(channel, category string, lists []string, say func(field, code, detail string)) {
	if channel != "" {
		switch c, ok := t.Directory.Channel(t.Account.ID, channel); {
		case !ok:
			say("channel", "unknown_channel", "is no channel of this account")
		case c.Kind != chat.WhatsApp:
			say("channel", "unsupported_channel", "can't send: only WhatsApp channels can")
		}
	}
	switch category {
	case "", chat.Marketing, chat.Utility, chat.Authentication, chat.Service:
	default:
		say("category", "unknown_category", "must be marketing, utility, authentication or service")
	}
	for i, id := range lists {
		if !slices.ContainsFunc(t.Account.Lists, func(l optout.List) bool { return l.ID == id }) {
			say("lists["+strconv.Itoa(i)+"]", "unknown_list", "is no opt-out list of this account")
		}
	}
}

// named refuses a send that would be checked against nothing. The list that mirrors Meta's switch bars marketing alone.
func named(category string, lists []string, say func(field, code, detail string)) {
	switch {
	case len(lists) == 0:
		say("lists", "required", "name at least one opt-out list")
	case category != chat.Marketing && !slices.ContainsFunc(lists, func(l string) bool { return l != gate.MetaList }):
		say("lists", "required", "name at least one list beside "+gate.MetaList+", which bars marketing only")
	}
}
