package broadcast

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
)

// Draft is a planned broadcast before it is decided.
type Draft struct {
	Ref
	Digest string
	Plan   Plan
	Rows   [][]Row // by page
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
	ends := r.EndsAt
	if ends.IsZero() {
		ends = t.Now.Add(DefaultEnd)
	}
	if !ends.After(t.Now) || ends.After(t.Now.Add(MaxEnd)) {
		f.say("ends_at", "out_of_range", fmt.Sprintf("must lie in the next %d hours", int(MaxEnd/time.Hour)))
	}
	rows, duplicates := t.rows(r, f.say)
	if err := f.err(); err != nil {
		return Draft{}, err
	}
	d := Draft{Ref: Ref{t.Account.ID, id}, Digest: Digest(t.Account.Key, body)}
	d.Plan = Plan{
		Channel: r.Channel, Category: r.Category, Lists: slices.Compact(slices.Sorted(slices.Values(r.Lists))),
		Message: r.Message, EndsAt: ends.UnixMilli(), Audience: len(rows), Duplicates: duplicates,
	}
	var err error
	if d.Rows, err = paginate(rows); err != nil {
		return Draft{}, err
	}
	for _, page := range d.Rows {
		d.Plan.Pages = append(d.Plan.Pages, len(page))
	}
	return d, nil
}

// rows gives each distinct recipient one row. Two are the same where their canonical identifiers are; what is no address
// at all is like nothing else.
func (t Terms) rows(r Request, say func(field, code, detail string)) (rows []Row, duplicates int) {
	channel, _ := t.Directory.Channel(t.Account.ID, r.Channel)
	seen := make(map[chat.Identifier]bool, len(r.Recipients))
	for i, given := range r.Recipients {
		row := Row{N: len(rows) + 1, Given: given.To}
		to, err := chat.ParseRecipient(given.To, channel.DefaultCountry)
		switch {
		case err != nil:
			row.Error = InvalidNumber
		case seen[to]:
			duplicates++
			continue
		default:
			seen[to] = true
			row.To, row.Pseudonym = to, t.Account.Key.Pseudonym(to)
			if dial, err := chat.Given(given.To, channel.DefaultCountry); err == nil && dial != to.Shown() {
				row.Dial = dial
			}
			if missing := r.Message.Missing(given.Params); missing != "" {
				row.Error = MissingParameter + missing
				break
			}
			for _, name := range r.Message.Names() {
				if row.Params == nil {
					row.Params = make(map[string]string, len(r.Message.Names()))
				}
				row.Params[name] = given.Params[name]
			}
			if filled, err := r.Message.Fill(row.Params); err != nil || len(filled) > maxMessage {
				say(fmt.Sprintf("recipients[%d].params", i), "too_long", "make a message of more than 64 KiB")
				row.Params = nil
			}
		}
		rows = append(rows, row)
	}
	return rows, duplicates
}

// paginate cuts rows into pages.
func paginate(rows []Row) (pages [][]Row, err error) {
	size, began := 0, 0
	for i, row := range rows {
		written, err := json.Marshal(row)
		if err != nil {
			return nil, fmt.Errorf("row of a broadcast: %w", err)
		}
		if i > began && (i-began == pageRows || size+len(written) > pageBytes) {
			pages = append(pages, rows[began:i])
			size, began = 0, i
		}
		size += len(written) + 1
	}
	return append(pages, rows[began:]), nil
}

// Commands gives what is to be appended to the broadcast's shard: the pages first, and once these are kept, the broadcast
// itself, whose answer tells how it went. Repeats of both are harmless. outcomes is the end of the broadcast's partition
// of outcomes.
func (d Draft) Commands(now time.Time, outcomes int64) (pages []shard.Command, create shard.Command, err error) {
	for n, rows := range d.Rows {
		body := pageBody{ID: d.ID, Digest: d.Digest, Page: n, Rows: rows}
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
