package broadcast

import (
	"encoding/json"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
)

// Push is a broadcast whose recipients may each get a message of their own. What stands in its messages is sent as it is:
// there are no parameters.
type Push struct {
	Channel  string
	Category string
	Priority bool            // by the lane of replies, unless it is marketing
	Message  json.RawMessage // to all whose own is nil; nil: each has one
	To       []PushRow
}

// PushRow is one of a Push's recipients.
type PushRow struct {
	Given   string
	To      chat.Identifier // "": it is no address
	Message json.RawMessage // of its own; nil: that of all
}

// Push plans a broadcast that is checked against the list Default, and tells which row stands for each of its recipients:
// whoever comes again is not sent to again. rename gives the fields of a message their names in the request: of row's own, or
// of all's where row is -1. The error is a fault.Unprocessable that names every field.
func (t Terms) Push(id string, body []byte, p Push, rename func(f fault.Field, row int) fault.Field) (d Draft, stands []int, err error) {
	f := form{}
	t.check(p.Channel, p.Category, nil, f.say)
	d = Draft{Ref: Ref{t.Account.ID, id}, Digest: Digest(t.Account.Key, body)}
	d.Plan = Plan{
		Channel: p.Channel, Category: p.Category, Lists: []string{gate.DefaultList}, EndsAt: t.Now.Add(DefaultEnd).UnixMilli(),
		Priority: p.Priority && p.Category != chat.Marketing,
	}
	params := map[string]string{}
	read := func(raw json.RawMessage, row int) Message {
		m, wrong := ParseMessage(raw)
		for _, w := range wrong {
			w = rename(w, row)
			f.say(w.Field, w.Code, w.Detail)
		}
		return m
	}
	if p.Message != nil {
		d.Plan.Message = read(p.Message, -1)
		for _, name := range d.Plan.Message.Names() {
			params[name] = "{{" + name + "}}" // what parameters bring is no placeholder
		}
	}
	var rows []Row
	var repeats []Repeat
	first := make(map[chat.Identifier]int, len(p.To))
	for i, given := range p.To {
		if n, again := first[given.To]; again && given.To != "" {
			stands = append(stands, n)
			repeats = append(repeats, Repeat{Line: i + 1, Given: given.Given, Of: n, First: rows[n-1].line(), To: given.To})
			continue
		}
		row := Row{N: len(rows) + 1, Given: given.Given, To: given.To}
		if row.N != i+1 {
			row.Line = i + 1
		}
		switch {
		case given.To == "":
			row.Error = InvalidNumber
		case given.Message != nil:
			read(given.Message, i)
			row.Message = given.Message
		case len(params) > 0:
			row.Params = params
		}
		if given.To != "" {
			row.Pseudonym, first[given.To] = t.Account.Key.Pseudonym(given.To), row.N
		}
		rows, stands = append(rows, row), append(stands, row.N)
	}
	if err := f.err(); err != nil {
		return Draft{}, nil, err
	}
	d.Plan.Audience, d.Plan.Duplicates = len(rows), len(p.To)-len(rows)
	if err := d.paginate(rows, repeats); err != nil {
		return Draft{}, nil, err
	}
	return d, stands, nil
}
