package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/sequence"
)

// sequenceRow is one step of one person in a report.
type sequenceRow struct {
	To        string      `json:"to"`
	Given     string      `json:"given"`
	Step      int         `json:"step"`
	Status    chat.Status `json:"status"`
	Error     string      `json:"error"`
	List      string      `json:"list"`
	Reason    string      `json:"reason"`
	MessageID string      `json:"message_id"`
	Updated   string      `json:"updated_at"`
	Decided   string      `json:"decided_at"`
	Sent      string      `json:"sent_at"`
	Delivered string      `json:"delivered_at"`
	Read      string      `json:"read_at"`
	Failed    string      `json:"failed_at"`
}

// sequenceColumns are the columns of a report as CSV.
var sequenceColumns = []string{
	"to", "given", "step", "status", "error", "list", "reason", "message_id", "updated_at", "decided_at", "sent_at", "delivered_at", "read_at", "failed_at",
}

// stepFilter says which rows of a sequence's report are wanted.
type stepFilter struct {
	statuses    []chat.Status
	step        int // 0: all
	error, list string
}

func (f stepFilter) wants(r sequence.Row) bool {
	return (len(f.statuses) == 0 || slices.Contains(f.statuses, r.Shown())) && (f.step == 0 || f.step == r.Step) &&
		(f.error == "" || f.error == r.Error) && (f.list == "" || f.list == r.List)
}

func (c *call) stepFilter() (f stepFilter, err error) {
	f.error, f.list = c.query("error"), c.query("list")
	if text := c.query("step"); text != "" {
		if f.step, err = strconv.Atoi(text); err != nil || f.step < 1 {
			return f, wrongField(fault.Invalid, "step", "not_a_step", "is the id of a step")
		}
	}
	if c.query("status") == "" {
		return f, nil
	}
	for name := range strings.SplitSeq(c.query("status"), ",") {
		if !slices.Contains(rowStatuses, chat.Status(name)) {
			return f, wrongField(fault.Invalid, "status", "unknown_status",
				"is Queued, Skipped, Sent, Delivered, Read, Failed, Unknown, Cancelled or Expired")
		}
		f.statuses = append(f.statuses, chat.Status(name))
	}
	return f, nil
}

func lower(s chat.Status) string { return strings.ToLower(string(s)) }

// reportSequence answers GET /v1/sequences/{id}/report: person by person in the order of their subscribing, each with the steps
// that were decided. It reaches as far back as people are kept: 28 days after a subscription's end.
func (a *API) reportSequence(c *call) error {
	filter, err := c.stepFilter()
	if err != nil {
		return err
	}
	q, sums, err := a.sequenceOf(c, c.param("id"))
	if err != nil {
		return err
	}
	switch c.query("format") {
	case "", "json":
		return a.pageSequence(c, *q, *sums, filter)
	case "csv":
		c.rc.Response.Header.Set("Content-Disposition", `attachment; filename="sequence-`+q.ID+`.csv"`)
		return a.streamSequence(c, *q, filter, "text/csv; charset=utf-8", sequenceCSV)
	case "ndjson":
		return a.streamSequence(c, *q, filter, "application/x-ndjson", sequenceNDJSON)
	}
	return wrongField(fault.Invalid, "format", "unknown_format", "is json, csv or ndjson")
}

// pageSequence gives a page of rows. Its cursor is a person's place and how many of that person's rows were shown.
func (a *API) pageSequence(c *call, q sequence.Sequence, sums sequence.Sums, filter stepFilter) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	place, shown, skip := "", 0, 0
	if after != "" {
		at := strings.LastIndexByte(after, '.')
		if at < 0 {
			return badCursor()
		}
		if skip, err = strconv.Atoi(after[at+1:]); err != nil || skip < 0 {
			return badCursor()
		}
		if place = after[:at]; place != "" && !placeForm.MatchString(place) {
			return badCursor()
		}
	}
	data, last, next := []sequenceRow{}, "", ""
	err = a.eachSubscriber(c.ctx, q, place, func(before string, s sequence.Subscriber) error {
		for n, row := range s.Rows {
			if before == place && n < skip || !filter.wants(row) {
				continue
			}
			if len(data) == limit {
				next = last + "." + strconv.Itoa(shown)
				return errEnough
			}
			data, last, shown = append(data, sequenceReported(s, row)), before, n+1
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	totals := map[string]int{}
	for step, by := range sums.Steps {
		for status, n := range by {
			if filter.step == 0 || filter.step == step {
				totals[lower(status)] += n
			}
		}
	}
	page := map[string]any{
		"data": data, "next": nil, "totals": totals, "errors": counted(sums.Errors), "lists": counted(sums.Lists),
	}
	if next != "" {
		page["next"] = next
	}
	return c.answer(200, page)
}

func counted(counts map[string]int) map[string]int {
	if counts == nil {
		return map[string]int{}
	}
	return counts
}

// placeForm is a subscriber's place, which cursors hold.
var placeForm = regexp.MustCompile(`^[0-9]{13}/[0-9]{1,19}$`)

const subscribersAtOnce = 500

// eachSubscriber reads people after a place, and tells of each what stands before.
func (a *API) eachSubscriber(ctx context.Context, q sequence.Sequence, after string, each func(before string, s sequence.Subscriber) error) error {
	before := after
	for {
		page, next, err := a.Sequences.Subscribers(ctx, q.Ref(), after, subscribersAtOnce)
		if err != nil {
			return err
		}
		for _, s := range page {
			if err := each(before, s); err != nil {
				return err
			}
			before = s.Place()
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

func sequenceReported(s sequence.Subscriber, r sequence.Row) sequenceRow {
	row := sequenceRow{
		To: s.To.Shown(), Given: s.Given, Step: r.Step, Status: r.Shown(), Error: r.Error, List: r.List, Reason: r.Reason,
		MessageID: r.MessageID, Updated: instant(max(r.Updated, r.At)), Decided: instant(r.At), Sent: instant(r.Sent),
		Delivered: instant(r.Delivered), Read: instant(r.Read), Failed: instant(r.Failed),
	}
	if r.Updated != 0 {
		row.Updated = instant(r.Updated)
	}
	return row
}

type writeSequence func(w *bufio.Writer) (write func(sequenceRow) error, end func() error)

func (a *API) streamSequence(c *call, q sequence.Sequence, filter stepFilter, kind string, rows writeSequence) error {
	return c.stream(kind, func(ctx context.Context, w *bufio.Writer) error {
		write, end := rows(w)
		err := a.eachSubscriber(ctx, q, "", func(_ string, s sequence.Subscriber) error {
			for _, row := range s.Rows {
				if !filter.wants(row) {
					continue
				}
				if err := write(sequenceReported(s, row)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("report: %w", err)
		}
		return end()
	})
}

func sequenceNDJSON(w *bufio.Writer) (func(sequenceRow) error, func() error) {
	encoder := json.NewEncoder(w)
	return func(row sequenceRow) error { return encoder.Encode(row) }, w.Flush
}

func sequenceCSV(w *bufio.Writer) (func(sequenceRow) error, func() error) {
	rows := csv.NewWriter(w)
	end := func() error {
		rows.Flush()
		return rows.Error()
	}
	if err := rows.Write(sequenceColumns); err != nil {
		return func(sequenceRow) error { return err }, end
	}
	return func(r sequenceRow) error {
		return rows.Write([]string{
			optout.Cell(r.To), optout.Cell(r.Given), strconv.Itoa(r.Step), string(r.Status), optout.Cell(r.Error), optout.Cell(r.List),
			optout.Cell(r.Reason), optout.Cell(r.MessageID), r.Updated, r.Decided, r.Sent, r.Delivered, r.Read, r.Failed,
		})
	}, end
}
