package inbound

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"optgate/pipeline/chat"
)

// eventSize is the room for what an ordinary event holds beside Meta's own bytes.
const eventSize = 1024

// AppendJSON writes the event as encoding/json would, but for Meta's own bytes, which stand as they came: to have them
// looked through and copied again would cost more than all the rest. They are JSON, as Decode says; of those that are nested
// too deep for many a reader only the fact is told.
func (e *Event) AppendJSON(b []byte) []byte {
	o := object{append(b, '{')}
	o.number("v", int64(e.V))
	o.text("id", e.ID)
	o.text("kind", e.Kind)
	o.optional("account", e.Account)
	o.optional("channel", e.Channel)
	if e.Pseudonym != 0 {
		o.number("pseudonym", int64(e.Pseudonym))
	}
	o.number("received", e.Received)
	o.number("at", e.At)
	o.inside("item", func(o *object) { appendInbound(o, &e.Item) })
	o.inside("done", func(o *object) {
		o.optional("change", e.Done.Change)
		list(o, "lists", e.Done.Lists)
		o.flag("linked", e.Done.Linked)
		o.flag("reported", e.Done.Reported)
		o.flag("salvaged", e.Done.Salvaged)
	})
	return append(o.b, '}')
}

func appendInbound(o *object, in *chat.Inbound) {
	o.text("kind", string(in.Kind))
	o.text("platform", in.Platform)
	o.text("field", in.Field)
	o.optional("number_id", in.NumberID)
	o.optional("message_id", in.MessageID)
	if !in.At.IsZero() {
		o.name("at")
		o.b = append(in.At.AppendFormat(append(o.b, '"'), time.RFC3339Nano), '"')
	}
	list(o, "who", in.Who)
	o.optional("given", in.Given)
	o.optional("type", in.Type)
	list(o, "texts", in.Texts)
	o.flag("acts", in.Acts)
	o.flag("opens_window", in.Opens)
	if r := in.Receipt; r != nil {
		o.inside("receipt", func(o *object) {
			o.text("status", r.Status)
			if r.Code != 0 {
				o.number("code", int64(r.Code))
			}
			o.optional("detail", r.Detail)
			o.optional("callback", r.Callback)
		})
	}
	if p := in.Preference; p != nil {
		o.inside("preference", func(o *object) {
			o.text("category", p.Category)
			o.name("stop")
			o.b = strconv.AppendBool(o.b, p.Stop)
		})
	}
	if in.Notice != nil {
		notice, _ := json.Marshal(in.Notice) //nolint:errchkjson // texts and numbers are always written
		o.name("notice")
		o.b = append(o.b, notice...)
	}
	list(o, "before", in.Before)
	if len(in.Raw) > 0 && readable(in.Raw) {
		o.name("raw")
		o.b = append(o.b, in.Raw...)
	}
}

// deepest is the depth that encoding/json reads, and many another reader not even that.
const deepest = 10_000

// readable says whether JSON is nested no deeper than readers go. What has fewer brackets than that isn't.
func readable(raw []byte) bool {
	return bytes.Count(raw, []byte("{"))+bytes.Count(raw, []byte("[")) < deepest || json.Valid(raw)
}

// object is a JSON object that is being written.
type object struct{ b []byte }

func (o *object) name(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

func (o *object) number(name string, n int64) {
	o.name(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *object) text(name, text string) {
	o.name(name)
	o.b = appendText(o.b, text)
}

// optional leaves an empty text out.
func (o *object) optional(name, text string) {
	if text != "" {
		o.text(name, text)
	}
}

// flag leaves a false out.
func (o *object) flag(name string, is bool) {
	if is {
		o.name(name)
		o.b = append(o.b, "true"...)
	}
}

func (o *object) inside(name string, write func(*object)) {
	o.name(name)
	o.b = append(o.b, '{')
	write(o)
	o.b = append(o.b, '}')
}

// list leaves an empty one out.
func list[T ~string](o *object, name string, texts []T) {
	if len(texts) == 0 {
		return
	}
	o.name(name)
	before := byte('[')
	for _, text := range texts {
		o.b = appendText(append(o.b, before), string(text))
		before = ','
	}
	o.b = append(o.b, ']')
}

// appendText writes a string. What must be escaped is left to encoding/json.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(text) //nolint:errchkjson // a string is always written
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}
