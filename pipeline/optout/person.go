package optout

import (
	"cmp"
	"slices"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// Ref names a person in a command: an identifier in its canonical form and its pseudonym, since a fold has no account
// key. A command that is found by a link alone knows the pseudonym only.
type Ref struct {
	ID chat.Identifier `json:"id,omitempty"`
	P  chat.Pseudonym  `json:"p"`
}

// Person is the state of one identifier in one account: key PersonKey in the shard of its pseudonym. What the links
// connect is one person; there is no other record of it.
type Person struct {
	V       int             `json:"v"`
	ID      chat.Identifier `json:"id,omitempty"` // "" while no command has shown it
	Entries []Entry         `json:"entries,omitempty"`
	Links   []Link          `json:"links,omitempty"`
}

// Entry is what is known of one identifier on one list and channel. Both times are maxima, so that the order in which
// commands arrive doesn't matter.
type Entry struct {
	List    string `json:"list"`
	Channel string `json:"channel"`                // or "*"
	Out     int64  `json:"opted_out_at,omitempty"` // ms since 1970; what bars has been in force since then
	In      int64  `json:"opted_in_at,omitempty"`  // ms since 1970
	Source  string `json:"source,omitempty"`       // of the opt-out
	Rule    string `json:"rule,omitempty"`         // of the opt-out
	Message string `json:"message,omitempty"`      // keyed hash of the id of the message that opted out
	Feed    bool   `json:"feed,omitempty"`         // the opt-out is posted to the list's webhook URL, also to whom it travels
	Note    string `json:"note,omitempty"`         // why somebody is blocked, in the words of who did it; of the blacklist only
	By      string `json:"by,omitempty"`           // name of the token that blocked; of the blacklist only
	Row     int64  `json:"row"`                    // offset of the last row in the ledger; NoRow

	// Via is the linked identifier that the opt-out came from; 0 where it named this one. What names it directly, whenever
	// that arrives, takes the place of what a link brought.
	Via chat.Pseudonym `json:"via,omitempty"`
}

// NoRow stands for the offset of a row that there isn't.
const NoRow = -1

// Barred says whether the entry bars sends. A tie of the two times does.
func (e Entry) Barred() bool { return e.Out > 0 && e.Out >= e.In }

// Link is a direct tie to another identifier of the same person. The other one's state holds its counterpart.
type Link struct {
	P     chat.Pseudonym `json:"p"`
	Shard int            `json:"shard"`
	Since int64          `json:"since"` // ms since 1970
	By    string         `json:"by"`    // source of the command
}

// Mark is one opt-out or opt-in of one list on one channel.
type Mark struct {
	List    string `json:"list"`
	Channel string `json:"channel"` // or "*"
	At      int64  `json:"at"`      // ms since 1970
	Source  string `json:"source"`
	Rule    string `json:"rule,omitempty"`    // the word, or what else made it
	Message string `json:"message,omitempty"` // keyed hash of the message's id
	Feed    bool   `json:"feed,omitempty"`    // the change is posted to the list's webhook URL
	Note    string `json:"note,omitempty"`    // of a block: why, in the words of who made it
	By      string `json:"by,omitempty"`      // of a block: name of the token that made it
}

// entry finds or makes the entry of a list on a channel. Entries are sorted by list and channel.
func (p *Person) entry(list, channel string) *Entry {
	i, ok := slices.BinarySearchFunc(p.Entries, Entry{List: list, Channel: channel}, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.List, b.List), strings.Compare(a.Channel, b.Channel))
	})
	if !ok {
		p.Entries = slices.Insert(p.Entries, i, Entry{List: list, Channel: channel, Row: NoRow})
	}
	return &p.Entries[i]
}

// Entry gives the entry of a list on a channel; one that bars nothing where there is none.
func (p Person) Entry(list, channel string) Entry {
	for _, e := range p.Entries {
		if e.List == list && e.Channel == channel {
			return e
		}
	}
	return Entry{List: list, Channel: channel, Row: NoRow}
}

// barred says whether a list on a channel bars the person.
func (p *Person) barred(list, channel string) bool { return p.Entry(list, channel).Barred() }

// stop raises the time of the opt-out that came by a link from somebody (0: by none), and says whether that changed
// anything that travels on. Of two at the same time the texts decide, so that every order of arrival ends alike.
func (e *Entry) stop(m Mark, via chat.Pseudonym) bool {
	if !m.newer(e.mark()) {
		return false
	}
	e.Out, e.Source, e.Rule, e.Message, e.Feed, e.Via, e.Note, e.By = m.At, m.Source, m.Rule, m.Message, m.Feed, via, m.Note, m.By
	return true
}

// direct notes that the opt-out which the entry holds names its identifier itself, and says whether that is news.
func (e *Entry) direct(m Mark) bool {
	if e.Via == 0 || m.newer(e.mark()) || e.mark().newer(m) {
		return false
	}
	e.Via = 0
	return true
}

// start raises the time of the opt-in, and says whether that changed anything.
func (e *Entry) start(m Mark) bool {
	if m.At <= e.In {
		return false
	}
	e.In = m.At
	return true
}

// mark gives the opt-out that the entry holds.
func (e *Entry) mark() Mark {
	return Mark{
		List: e.List, Channel: e.Channel, At: e.Out, Source: e.Source, Rule: e.Rule, Message: e.Message, Feed: e.Feed, Note: e.Note, By: e.By,
	}
}

func (m Mark) newer(than Mark) bool {
	return cmp.Or(cmp.Compare(m.At, than.At), strings.Compare(m.Source, than.Source),
		strings.Compare(m.Rule, than.Rule), strings.Compare(m.Message, than.Message),
		strings.Compare(m.Note, than.Note), strings.Compare(m.By, than.By)) > 0
}

// link ties another identifier to this one and says whether it is new and whether anything changed. A link keeps the
// earliest time at which it was shown.
func (p *Person) link(l Link) (fresh, changed bool) {
	i, ok := slices.BinarySearchFunc(p.Links, l, func(a, b Link) int { return cmp.Compare(a.P, b.P) })
	if !ok {
		p.Links = slices.Insert(p.Links, i, l)
		return true, true
	}
	known := &p.Links[i]
	if cmp.Or(cmp.Compare(l.Since, known.Since), strings.Compare(l.By, known.By)) >= 0 {
		return false, false
	}
	known.Since, known.By = l.Since, l.By
	return false, true
}

// lifted gives every lift of a block that the person holds. Blocks and their lifts both travel, so that whoever is unblocked is so
// under every identifier, also under one that is linked later.
func (p *Person) lifted() []Mark {
	var marks []Mark
	for i := range p.Entries {
		if e := &p.Entries[i]; e.List == gate.Blacklist && e.In > 0 {
			marks = append(marks, Mark{List: e.List, Channel: e.Channel, At: e.In, Source: SourceAPI})
		}
	}
	return marks
}

// stops gives every opt-out the person holds, lifted ones too: a lift here lifts nothing elsewhere, unless it is of a block.
func (p *Person) stops() []Mark {
	var marks []Mark
	for i := range p.Entries {
		if p.Entries[i].Out > 0 {
			marks = append(marks, p.Entries[i].mark())
		}
	}
	return marks
}
