package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// evidence is everything that is known of a round in the end: what Meta delivered and was asked for, what the topics hold,
// and what the API says.
type evidence struct {
	said      []heard
	inbound   map[string]int       // how often each item stands there, by its key
	events    map[string][]telling // what events tell of it
	dead      []letter
	rows      []ledgerRow
	changes   map[string]change           // commands of consent that persons made, by id
	settled   map[string][]string         // what outcomes say became of each message, by its id
	standing  map[string]map[string]int64 // entries in force, by list and identifier: since when
	sightings []sighting
	lags      []lag
	calls     []call
	campaigns []campaign
	troubles  []incident
	deaths    []string // processes that ended by themselves
	leaks     []string // log lines that tell too much
}

// telling is an event about an item.
type telling struct {
	id     string
	change string // out, in, ""
}

// letter is a record of dead. Garbage is one that holds no message that has an id.
type letter struct {
	source, reason string
	garbage        bool
}

// ledgerRow is a change of an entry.
type ledgerRow struct {
	partition int32
	offset    int64
	cause     string

	Pseudonym int64  `json:"pseudonym"`
	List      string `json:"list"`
	Channel   string `json:"channel"`
	From      string `json:"from"`
	To        string `json:"to"`
	Root      string `json:"root"`
	Message   string `json:"message"`
	Prev      int64  `json:"prev"`
}

func (r ledgerRow) entry() string { return fmt.Sprint(r.Pseudonym, "/", r.List, "/", r.Channel) }

// change is a command that opts somebody out or in.
type change struct {
	Who []struct {
		P int64 `json:"p"`
	} `json:"who"`
	Out     bool `json:"out"`
	Confirm *struct {
		Texts []struct {
			List string `json:"list"`
			Body string `json:"body"`
		} `json:"texts"`
	} `json:"confirm"`
}

// confirms says whether a row of the ledger that the command caused is to be confirmed: somebody whom its message shows went
// where the message asked for, on a list that has a text. That may be by an older word of a person linked only now.
func (c change) confirms(r ledgerRow) bool {
	if c.Confirm == nil || c.Out != (r.To == "out") {
		return false
	}
	shown, said := false, false
	for _, who := range c.Who {
		shown = shown || who.P == r.Pseudonym
	}
	for _, text := range c.Confirm.Texts {
		said = said || text.List == r.List && text.Body != ""
	}
	return shown && said
}

// call is a call of the gateway's to Meta.
type call struct {
	at        time.Time
	who       string // "phone:…" or "bsuid:…"
	id        string // of the message
	broadcast string // "": a confirmation
}

// envelope is as much of Meta's as tells items apart.
type envelope struct {
	Entry []struct {
		Changes []struct {
			Value struct {
				items
				Standby items `json:"standby"`
			} `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

type items struct {
	Messages []json.RawMessage `json:"messages"` // some are odd
	Statuses []struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	} `json:"statuses"`
}

func (i items) keys() (keys []string) {
	for _, raw := range i.Messages {
		var m struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(raw, &m) == nil && m.ID != "" {
			keys = append(keys, m.ID)
		}
	}
	for _, s := range i.Statuses {
		keys = append(keys, s.ID+"/"+s.Status)
	}
	return keys
}

// keysOf gives what a record of inbound holds.
func keysOf(value []byte) (keys []string, err error) {
	var e envelope
	if err := json.Unmarshal(value, &e); err != nil {
		return nil, err
	}
	for _, entry := range e.Entry {
		for _, c := range entry.Changes {
			keys = append(append(keys, c.Value.keys()...), c.Value.Standby.keys()...)
		}
	}
	return keys, nil
}

// readTopics adds what the topics hold.
func (e *evidence) readTopics(ctx context.Context, l *logs) error {
	e.inbound, e.events, e.changes, e.settled = map[string]int{}, map[string][]telling{}, map[string]change{}, map[string][]string{}
	e.dead, e.rows = nil, nil
	var odd error
	note := func(topic string, r *kgo.Record, err error) {
		if err != nil && odd == nil {
			odd = fmt.Errorf("%s %d/%d: %w", topic, r.Partition, r.Offset, err)
		}
	}
	for topic, each := range map[string]func(*kgo.Record) error{
		"inbound": e.readInbound, "events": e.readEvent, "consent": e.readRow, "commands": e.readCommand,
		"outcomes": e.readFact, "dead": e.readLetter,
	} {
		if err := l.read(ctx, topic, func(r *kgo.Record) { note(topic, r, each(r)) }); err != nil {
			return err
		}
	}
	return odd
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func (e *evidence) readInbound(r *kgo.Record) error {
	keys, err := keysOf(r.Value)
	for _, key := range keys {
		e.inbound[key]++
	}
	return err
}

func (e *evidence) readEvent(r *kgo.Record) error {
	var event struct {
		ID   string `json:"id"`
		Kind string `json:"kind"`
		Item struct {
			MessageID string `json:"message_id"`
			Receipt   *struct {
				Status string `json:"status"`
			} `json:"receipt"`
		} `json:"item"`
		Done struct {
			Change string `json:"change"`
		} `json:"done"`
	}
	if err := json.Unmarshal(r.Value, &event); err != nil || event.Kind != "item" || event.Item.MessageID == "" {
		return err
	}
	key := event.Item.MessageID
	if event.Item.Receipt != nil {
		key += "/" + event.Item.Receipt.Status
	}
	e.events[key] = append(e.events[key], telling{event.ID, event.Done.Change})
	return nil
}

func (e *evidence) readRow(r *kgo.Record) error {
	row := ledgerRow{partition: r.Partition, offset: r.Offset, cause: header(r, "cause")}
	if row.cause == "" {
		return nil // a claim
	}
	err := json.Unmarshal(r.Value, &row)
	e.rows = append(e.rows, row)
	return err
}

func (e *evidence) readCommand(r *kgo.Record) error {
	var command struct {
		ID   string          `json:"id"`
		Kind string          `json:"kind"`
		Body json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(r.Value, &command); err != nil || command.Kind != "consent.change" {
		return err
	}
	var c change
	err := json.Unmarshal(command.Body, &c)
	e.changes[command.ID] = c
	return err
}

func (e *evidence) readFact(r *kgo.Record) error {
	var fact struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}
	err := json.Unmarshal(r.Value, &fact)
	if err == nil && fact.ID == "" {
		return nil // rows of a broadcast that is long over
	}
	e.settled[fact.ID] = append(e.settled[fact.ID], fact.Status)
	return err
}

func (e *evidence) readLetter(r *kgo.Record) error {
	keys, err := keysOf(r.Value)
	e.dead = append(e.dead, letter{header(r, "source"), header(r, "reason"), err == nil && len(keys) == 0})
	return nil
}
