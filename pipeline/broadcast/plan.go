package broadcast

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
)

// Draft is a planned broadcast before it is decided.
type Draft struct {
	Ref
	Digest  string
	Plan    Plan
	Rows    [][]Row    // by page; none where an audience or a segment holds them
	Repeats [][]Repeat // by page
}

// ID gives a broadcast's id: by the client's Idempotency-Key the same one in every repeat, else a chance one.
func ID(key chat.Key, idempotency, chance string) string {
	if idempotency == "" {
		return chance
	}
	return key.Message("broadcast/" + idempotency)
}

// Digest tells a request from any other, and from an altered one under the same Idempotency-Key.
func Digest(key chat.Key, body []byte) string { return key.Message("request/" + string(body)) }

// Draft plans a request. wrong is what ParseRequest found at fault; with what is found here it becomes one
// fault.Unprocessable that names every field.
func (t Terms) Draft(id string, body []byte, r Request, wrong []fault.Field) (Draft, error) {
	f := form{wrong: wrong}
	t.check(r.Channel, r.Category, r.Lists, f.say)
	if !slices.ContainsFunc(wrong, func(w fault.Field) bool { return w.Field == "lists" }) {
		named(r.Category, r.Lists, f.say)
	}
	starts, ends := t.times(r, f.say)
	source := t.source(r, f.say)
	rows, duplicates, repeats := t.rows(r, f.say)
	if err := f.err(); err != nil {
		return Draft{}, err
	}
	d := Draft{Ref: Ref{t.Account.ID, id}, Digest: Digest(t.Account.Key, body)}
	d.Plan = Plan{
		Channel: r.Channel, Category: r.Category, Lists: slices.Compact(slices.Sorted(slices.Values(r.Lists))),
		Message: r.Message, StartsAt: starts, EndsAt: ends.UnixMilli(), Quiet: r.Quiet, Rate: r.Rate, WebhookURL: r.WebhookURL,
		Source: source, Audience: len(rows), Duplicates: duplicates,
	}
	if t.Upload != nil && source.Upload != "" {
		d.Plan.Audience, d.Plan.Duplicates, d.Plan.Pages = t.Upload.Recipients, t.Upload.Duplicates, t.Upload.Pages
	}
	return d, d.paginate(rows, repeats)
}

// paginate cuts a request's rows into pages, each repeat after the rows that stand before it.
func (d *Draft) paginate(rows []Row, repeats []Repeat) error {
	p := pager{full: func(page Page) error {
		d.Rows, d.Repeats = append(d.Rows, page.Rows), append(d.Repeats, page.Repeats)
		d.Plan.Pages = append(d.Plan.Pages, len(page.Rows))
		return nil
	}}
	for _, row := range rows {
		for len(repeats) > 0 && repeats[0].Line < row.line() {
			if err := p.repeat(repeats[0]); err != nil {
				return err
			}
			repeats = repeats[1:]
		}
		if err := p.row(row); err != nil {
			return err
		}
	}
	for _, one := range repeats {
		if err := p.repeat(one); err != nil {
			return err
		}
	}
	return p.end()
}

// rows gives each distinct recipient of the request one row. Two are the same where their canonical identifiers are; what is no
// address at all is like nothing else.
func (t Terms) rows(r Request, say func(field, code, detail string)) (rows []Row, duplicates int, repeats []Repeat) {
	channel, _ := t.Directory.Channel(t.Account.ID, r.Channel)
	seen := make(map[chat.Identifier]int, len(r.Recipients))
	for i, given := range r.Recipients {
		row := Row{N: len(rows) + 1, Given: given.To, Line: i + 1}
		to, err := chat.ParseRecipient(given.To, channel.DefaultCountry)
		switch {
		case err != nil:
			row.Error = InvalidNumber
		case seen[to] > 0:
			duplicates++
			of := rows[seen[to]-1]
			repeats = append(repeats, Repeat{Line: row.Line, Given: given.To, Of: of.N, First: of.Line, To: to})
			continue
		default:
			seen[to] = row.N
			row.To, row.Pseudonym = to, t.Account.Key.Pseudonym(to)
			if dial, err := chat.Given(given.To, channel.DefaultCountry); err == nil && dial != to.Shown() {
				row.Dial = dial
			}
			t.fill(&row, r.Message, given.Params, func(field string) {
				say(fmt.Sprintf("recipients[%d].params", i), codeTooLong, "make "+field+" longer than it may be")
			})
		}
		if row.Line == row.N {
			row.Line = 0
		}
		rows = append(rows, row)
	}
	return rows, duplicates, repeats
}

// fill gives a row the parameters that the message needs, or the error with which it fails.
func (t Terms) fill(row *Row, m Message, params map[string]string, tooLong func(field string)) {
	if missing := m.Missing(params); missing != "" {
		row.Error = MissingParameter + missing
		return
	}
	if m.IsZero() || len(m.Names()) == 0 {
		return
	}
	row.Params = make(map[string]string, len(m.Names()))
	for _, name := range m.Names() {
		row.Params[name] = params[name]
	}
	_, wrong, err := m.For(row.Params)
	if field, long := strings.CutPrefix(wrong, MessageTooLong); long || err != nil {
		tooLong(field)
		row.Params = nil
	} else if wrong != "" {
		row.Error = wrong
	}
}

// line gives the place in what was given at which a row stands.
func (r Row) line() int {
	if r.Line == 0 {
		return r.N
	}
	return r.Line
}

// Commands gives what is to be appended to the broadcast's shard: the pages first, and once these are kept, the broadcast
// itself, whose answer tells how it went. Repeats of both are harmless. outcomes is the end of the broadcast's partition
// of outcomes.
func (d Draft) Commands(now time.Time, outcomes int64) (pages []shard.Command, create shard.Command, err error) {
	for n, rows := range d.Rows {
		body := pageBody{ID: d.ID, Digest: d.Digest, Page: n, Rows: rows, Repeats: d.Repeats[n]}
		c, err := command(d.Ref, fmt.Sprintf("%s.%s.%d", d.ID, d.Digest, n), KindPage, now.UnixMilli(), body)
		if err != nil {
			return nil, shard.Command{}, err
		}
		pages = append(pages, c)
	}
	plan := d.Plan
	plan.Outcomes = outcomes
	create, err = command(d.Ref, d.ID+"."+d.Digest, KindCreate, now.UnixMilli(), createBody{ID: d.ID, Digest: d.Digest, Plan: plan})
	return pages, create, err
}

// Accepted is the answer to a request, the same in every repeat.
type Accepted struct {
	ID     string `json:"id"`
	Status Status `json:"status"`
	Totals Totals `json:"totals"`
}

// Accepted gives the answer that the broadcast's creation gives.
func (p Plan) Accepted(id string) Accepted {
	return Accepted{ID: id, Status: Planned, Totals: Broadcast{Plan: p}.Totals(nil)}
}
