package optout

import (
	"cmp"
	"slices"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// Explanation is the answer of GET /v1/why: what would happen to a send now, and because of what. Where nothing bars, all but
// Allowed and History are empty.
type Explanation struct {
	Allowed bool       `json:"allowed"`
	Error   string     `json:"error"`            // as a report shows it
	Reason  string     `json:"reason,omitempty"` // in one sentence, as a report shows it
	List    string     `json:"list"`
	Name    string     `json:"name,omitempty"`    // of the list
	Channel string     `json:"channel,omitempty"` // of the entry that bars, or "*"
	Since   *time.Time `json:"since"`
	Source  string     `json:"source"`
	Rule    string     `json:"rule"`
	Message string     `json:"message,omitempty"` // keyed hash of the id of the message that opted out
	Link    *Bond      `json:"link,omitempty"`    // by which the opt-out came, where it was said under another identifier
	History []Step     `json:"history"`           // of the entries that a send is checked against, the newest first
}

// Bond is a link of a person's, for people: where it leads, since when, and what showed it.
type Bond struct {
	To    *string   `json:"to"`    // a phone as +E164, a BSUID, or psid:… or igsid:…
	Email *string   `json:"email"` // both are null where no message ever showed the identifier itself
	Since time.Time `json:"since,omitzero"`
	By    string    `json:"by,omitempty"`
}

// Step is one row of the ledger for people.
type Step struct {
	At      time.Time `json:"at"` // when it was said
	List    string    `json:"list"`
	Channel string    `json:"channel"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Source  string    `json:"source"`
	Rule    string    `json:"rule,omitempty"`
	Message string    `json:"message,omitempty"` // keyed hash of the message's id
	Linked  bool      `json:"linked,omitempty"`  // it came from another identifier of the person
	Cause   int64     `json:"cause"`             // offset of the command in the person's shard
}

// Checked gives the entries that a send to this person on a channel is checked against, in the order of the lists (as
// gate.Lists gives them), the channel's own before the one for all channels.
func (p Person) Checked(lists []string, channel string) []Entry {
	var entries []Entry
	for _, list := range lists {
		for _, on := range []string{channel, chat.AnyChannel} {
			for _, e := range p.Entries {
				if e.List == list && e.Channel == on && !slices.Contains(entries, e) {
					entries = append(entries, e)
				}
			}
		}
	}
	return entries
}

// Bars gives the first of the entries that Checked gave which bars; false where none does.
func Bars(checked []Entry) (e Entry, ok bool) {
	at := slices.IndexFunc(checked, Entry.Barred)
	if at < 0 {
		return e, false
	}
	return checked[at], true
}

// Why explains from the entries that Checked gave and their rows of the ledger (see Chain), in any order. The first entry
// that bars is the reason. Reason, Name and Link are for whoever knows the account and the person.
func Why(checked []Entry, rows []Row) Explanation {
	explained := Explanation{Allowed: true, History: []Step{}}
	if e, ok := Bars(checked); ok {
		explained.Allowed, explained.Error = false, gate.Answer{List: e.List}.Error()
		since := moment(e.Out)
		explained.List, explained.Channel, explained.Since = e.List, e.Channel, &since
		explained.Source, explained.Rule, explained.Message = e.Source, e.Rule, e.Message
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int { // commands of one shard are decided in their order
		return cmp.Compare(b.Cause, a.Cause)
	})
	for _, row := range rows {
		explained.History = append(explained.History, Step{
			At: moment(row.Time), List: row.List, Channel: row.Channel, From: row.From, To: row.To,
			Source: row.Source, Rule: row.Rule, Message: row.Message, Linked: row.Via != nil, Cause: row.Cause,
		})
	}
	return explained
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
