package imports

import (
	"errors"
	"time"
	"unicode/utf8"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
)

// entry is one opt-out that a row says. A row with a phone and an e-mail says two.
type entry struct {
	who     optout.Ref
	channel string
	at      int64 // ms since 1970
}

// rows understands the rows of one file.
type rows struct {
	table     *Table
	terms     Terms
	account   string
	hasher    *chat.Hasher
	directory *chat.Directory
	made      int64 // of the import
}

// Why a row is not taken, besides what chat says of numbers and addresses.
const (
	reasonNobody    = "to and email are both empty."
	reasonChannel   = `The channel is missing: the column channel, or ?channel= of the request, names one, or "*" for all.`
	reasonNoChannel = "The account has no such channel."
	reasonEmail     = `An e-mail is opted out of an e-mail channel or "*".`
	reasonTime      = "at is no time: 2026-11-22T10:00:00Z, 2026-11-22 10:00:00 (UTC) and 2026-11-22 are."
	reasonFuture    = "at is in the future."
	reasonPast      = "at is before the year 2000."
	reasonUTF8      = "The row is not in UTF-8: save the file as CSV in UTF-8."
)

// understand gives what a row says, and why it doesn't say more. All that was given counts: what is wrong with the e-mail
// doesn't keep the phone from being opted out.
func (r *rows) understand(row Row) (entries []entry, refused []string) {
	if row.Wrong != "" {
		return nil, []string{row.Wrong}
	}
	to, email := r.text(row, columnTo), r.text(row, columnEmail)
	channel, when := r.text(row, columnChannel), r.text(row, columnAt)
	switch {
	case !utf8.ValidString(to), !utf8.ValidString(email), !utf8.ValidString(channel), !utf8.ValidString(when):
		return nil, []string{reasonUTF8}
	case to == "" && email == "":
		return nil, []string{reasonNobody}
	}
	if channel == "" {
		channel = r.terms.Channel
	}
	declared, known := r.directory.Channel(r.account, channel)
	switch {
	case channel == "":
		return nil, []string{reasonChannel}
	case !known && channel != chat.AnyChannel:
		return nil, []string{reasonNoChannel}
	}
	at, wrong := r.time(when)
	if wrong != "" {
		return nil, []string{wrong}
	}
	add := func(id chat.Identifier, err error) {
		if err != nil {
			refused = append(refused, reasonOf(err))
			return
		}
		entries = append(entries, entry{optout.Ref{ID: id, P: r.hasher.Pseudonym(id)}, channel, at})
	}
	if to != "" {
		country := r.terms.Country
		if country == "" {
			country = declared.DefaultCountry
		}
		add(chat.ParseTo(to, country))
	}
	switch {
	case email != "" && known:
		refused = append(refused, reasonEmail)
	case email != "":
		add(chat.Email(email))
	}
	return entries, refused
}

// text gives a column of a row, without the mark that exports and spreadsheets put before what could be a formula.
func (r *rows) text(row Row, column string) string {
	return optout.FromCell(r.table.field(row, column))
}

// skew is by how much a time may be ahead of our clock.
const skew = 5 * time.Minute

// oldest is the beginning of what is believed to be a time.
var oldest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// time reads when somebody opted out; no time is the import's own.
func (r *rows) time(text string) (at int64, wrong string) {
	if text == "" {
		return r.made, ""
	}
	for _, layout := range [...]string{time.RFC3339, time.DateTime, time.DateOnly, "2006-01-02T15:04:05"} {
		read, err := time.Parse(layout, text)
		switch {
		case err != nil:
			continue
		case read.Before(oldest):
			return 0, reasonPast
		case read.UnixMilli() > r.made+skew.Milliseconds():
			return 0, reasonFuture
		}
		return min(read.UnixMilli(), r.made), ""
	}
	return 0, reasonTime
}

// reasonOf gives what chat says of a number or address to people.
func reasonOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Msg
	}
	return "The row can't be read."
}
