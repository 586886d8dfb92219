package api

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"strconv"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// ledgerRow is a row of the ledger as it is exported. To and Email are known for as long as the person's state is kept.
type ledgerRow struct {
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Recorded  string `json:"recorded_at"` // when it was decided
	Time      string `json:"time"`        // when it was said
	Pseudonym string `json:"pseudonym"`
	To        string `json:"to"`
	Email     string `json:"email"`
	List      string `json:"list"`
	Channel   string `json:"channel"` // or "*"
	Was       string `json:"was"`     // in or out
	Became    string `json:"became"`
	Source    string `json:"source"`
	Rule      string `json:"rule"`
	Message   string `json:"message"` // keyed hash of the message's id
	Root      string `json:"root"`    // id of the command that somebody made
	Via       string `json:"via"`     // pseudonym of the linked identifier that it came from
	Cause     string `json:"cause"`
	Prev      int64  `json:"prev"` // offset of this entry's row before; -1: none
	Chain     string `json:"chain"`

	who chat.Pseudonym
}

func ledgerRowOf(r *stream.Record, row optout.Row) ledgerRow {
	e := ledgerRow{
		Partition: r.Partition, Offset: r.Offset, Recorded: r.Time.UTC().Format(time.RFC3339Nano), Time: time.UnixMilli(row.Time).UTC().Format(time.RFC3339Nano),
		Pseudonym: row.Pseudonym.String(), List: row.List, Channel: row.Channel, Was: row.From, Became: row.To, Source: row.Source, Rule: row.Rule,
		Message: row.Message, Root: row.Root, Cause: r.Header(shard.HeaderCause), Prev: row.Prev, Chain: r.Header(shard.HeaderChain), who: row.Pseudonym,
	}
	if row.Via != nil {
		e.Via = row.Via.String()
	}
	return e
}

func ledgerLines(w *bufio.Writer) (func(ledgerRow) error, func() error) {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return func(row ledgerRow) error { return encoder.Encode(row) }, w.Flush
}

func ledgerTable(w *bufio.Writer) (func(ledgerRow) error, func() error) {
	rows := csv.NewWriter(w)
	end := func() error {
		rows.Flush()
		return rows.Error()
	}
	names := []string{
		"partition", "offset", "recorded_at", "time", "pseudonym", "to", "email", "list", "channel", "was", "became", "source", "rule", "message", "root", "via", "cause", "prev", "chain",
	}
	if err := rows.Write(names); err != nil {
		return func(ledgerRow) error { return err }, end
	}
	return func(r ledgerRow) error {
		return rows.Write([]string{
			strconv.Itoa(r.Partition), strconv.FormatInt(r.Offset, 10), r.Recorded, r.Time, r.Pseudonym, optout.Cell(r.To), optout.Cell(r.Email), r.List, r.Channel, r.Was, r.Became,
			r.Source, optout.Cell(r.Rule), r.Message, optout.Cell(r.Root), r.Via, r.Cause, strconv.FormatInt(r.Prev, 10), r.Chain,
		})
	}, end
}
