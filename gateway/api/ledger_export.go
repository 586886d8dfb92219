package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// ledgerFilter says which rows of an account are exported.
type ledgerFilter struct {
	account string
	mark    []byte // stands in every row of the account
	list    string
	who     *chat.Pseudonym
	since   time.Time
	until   time.Time // zero: now
}

// exportLedger answers GET /v1/ledger?format=csv|ndjson&since=&until=&list=&to=: the account's rows by partition and offset.
// since and until are about when a row was decided, so that one export can begin where the one before ended.
func (a *API) exportLedger(c *call) error {
	f, err := a.ledgerFilter(c)
	if err != nil {
		return err
	}
	parts, err := a.stretches(c.ctx, stream.Consent, f.since)
	if err != nil {
		return err
	}
	if f.who != nil {
		at := a.Shards.Of(*f.who)
		parts = parts[at : at+1]
	}
	rows, kind := ledgerLines, "application/x-ndjson"
	switch c.query("format") {
	case "", "ndjson":
	case "csv":
		rows, kind = ledgerTable, "text/csv; charset=utf-8"
		c.rc.Response.Header.Set("Content-Disposition", `attachment; filename="ledger-`+c.account+`.csv"`)
	default:
		return wrongField(fault.Invalid, "format", "unknown_format", "is csv or ndjson")
	}
	return c.stream(kind, func(ctx context.Context, w *bufio.Writer) error {
		write, end := rows(w)
		for _, s := range parts {
			if err := a.exportPartition(ctx, s, f, write); err != nil {
				return fmt.Errorf("export partition %d of the ledger: %w", s.partition, err)
			}
		}
		return end()
	})
}

func (a *API) ledgerFilter(c *call) (f ledgerFilter, err error) {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return f, err
	}
	f.account, f.list = c.account, c.query("list")
	name, err := json.Marshal(c.account)
	if err != nil {
		return f, err
	}
	f.mark = append([]byte(`"account":`), name...)
	if f.since, err = c.instant("since"); err != nil {
		return f, err
	}
	if f.until, err = c.instant("until"); err != nil {
		return f, err
	}
	if to := c.query("to"); to != "" {
		id, err := chat.ParseIdentifier(to, "")
		if err != nil {
			return f, wrongFields([]fault.Field{fieldOf("to", err)})
		}
		p := account.Key.Pseudonym(id)
		f.who = &p
	}
	return f, nil
}

// wants says whether a row is to be exported. Rows of other accounts are told by a glance.
func (f ledgerFilter) wants(r *stream.Record, row *optout.Row) bool {
	switch {
	case !shard.IsRow(r), r.Time.Before(f.since), !f.until.IsZero() && !r.Time.Before(f.until), !bytes.Contains(r.Value, f.mark):
		return false
	case json.Unmarshal(r.Value, row) != nil, row.Account != f.account, f.list != "" && row.List != f.list:
		return false
	}
	return f.who == nil || row.Pseudonym == *f.who
}

// exportBatch is how many rows are joined with their people's states at once.
const exportBatch = 500

func (a *API) exportPartition(ctx context.Context, s stretch, f ledgerFilter, write func(ledgerRow) error) error {
	batch := make([]ledgerRow, 0, exportBatch)
	flush := func() error {
		if err := a.joinPeople(ctx, s.partition, f.account, batch); err != nil {
			return err
		}
		for _, row := range batch {
			if err := write(row); err != nil {
				return err
			}
		}
		batch = batch[:0]
		return nil
	}
	err := a.Topics.Read(ctx, stream.Consent, s.partition, s.from, s.to, func(r stream.Record) error {
		var row optout.Row
		if !f.wants(&r, &row) {
			return nil
		}
		if batch = append(batch, ledgerRowOf(&r, row)); len(batch) < exportBatch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// joinPatience is how long an export waits for a shard whose view may be behind.
const joinPatience = 30 * time.Second

// joinPeople adds clear identifiers from the people's states.
func (a *API) joinPeople(ctx context.Context, at int, account string, rows []ledgerRow) error {
	var keys []string
	places := map[chat.Pseudonym]int{}
	for _, row := range rows {
		if _, again := places[row.who]; !again {
			places[row.who] = len(keys)
			keys = append(keys, optout.PersonKey(account, row.who))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	states, err := a.certainStates(ctx, at, keys)
	if err != nil {
		return err
	}
	for i := range rows {
		var p optout.Person
		if state := states[places[rows[i].who]]; state == nil || json.Unmarshal(state, &p) != nil || p.ID == "" {
			continue
		}
		if p.ID.Kind() == chat.KindEmail {
			rows[i].Email = p.ID.Shown()
		} else {
			rows[i].To = p.ID.Shown()
		}
	}
	return nil
}

// certainStates reads states, and waits a while where nobody can know them: a stream that has begun can't say "try again".
func (a *API) certainStates(ctx context.Context, at int, keys []string) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	tick := time.NewTicker(longestToLook)
	defer tick.Stop()
	for {
		states, err := a.States.States(ctx, at, keys...)
		if kind := fault.KindOf(err); err == nil || kind != fault.NotCertain && kind != fault.Unavailable {
			return states, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
}
