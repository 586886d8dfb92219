package broadcast

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// Single is a message to one person, asked for by itself.
type Single struct {
	Recipient
	Channel  string
	Category string
	Lists    []string // may be none, except of marketing
	Message  Message
}

// How long a single message may wait to be sent.
const (
	codeTime   = 10 * time.Minute // a one-time code is of no use later
	singleTime = 24 * time.Hour
)

// ParseSingle reads the JSON of a request; see ParseRequest.
func ParseSingle(body []byte) (Single, []fault.Field, error) {
	f, err := readForm(body, "channel", "to", "category", "lists", "message", "params")
	if err != nil {
		return Single{}, nil, err
	}
	s := Single{Channel: f.text("channel"), Category: f.text("category"), Lists: f.texts("lists"), Message: f.message()}
	s.To, s.Params = f.text("to"), f.params("params", f.members["params"])
	return s, f.wrong, nil
}

// Outbound makes the message, as yet without its id. wrong is what ParseSingle found at fault; the error names every field.
func (t Terms) Outbound(s Single, wrong []fault.Field) (chat.Outbound, error) {
	f := form{wrong: wrong}
	t.check(s.Channel, s.Category, s.Lists, f.say)
	if s.Category == chat.Marketing {
		named(s.Category, s.Lists, f.say)
	}
	m := chat.Outbound{
		V: stream.Version, Account: t.Account.ID, Channel: s.Channel, Kind: chat.KindSingle, Category: s.Category,
		Lists: slices.Compact(slices.Sorted(slices.Values(s.Lists))), Until: t.Now.Add(singleTime).UnixMilli(),
	}
	if s.Category == chat.Authentication {
		m.Until = t.Now.Add(codeTime).UnixMilli()
	}
	channel, _ := t.Directory.Channel(t.Account.ID, s.Channel)
	var err error
	if m.To, err = chat.ParseRecipient(s.To, channel.DefaultCountry); err == nil {
		m.Given, err = chat.Given(s.To, channel.DefaultCountry)
	}
	if err != nil && s.To != "" {
		f.say("to", "invalid_number", "is no phone number and no user id of Meta's")
	}
	m.Pseudonym = t.Account.Key.Pseudonym(m.To)
	if missing := s.Message.Missing(s.Params); missing != "" {
		f.say("params."+missing, "required", "the message needs it")
	} else if !s.Message.IsZero() {
		filled, wrong, err := s.Message.For(s.Params)
		if field, long := strings.CutPrefix(wrong, MessageTooLong); long || err != nil {
			f.say("params", codeTooLong, "make "+field+" longer than it may be")
		} else if wrong != "" {
			f.say("params", "invalid", "make a message that can't be sent: "+wrong)
		}
		m.Message = filled
	}
	return m, f.err()
}

// SingleID gives the id of the message that a request asks for, by the request's id.
func SingleID(request string) string { return singlePrefix + request }

// singleLane gives the topic that a single message waits in: marketing never goes before answers and codes.
func singleLane(category string) stream.Topic {
	if category == chat.Marketing {
		return stream.OutboundBulk
	}
	return stream.OutboundReplies
}

// SingleRecords gives what makes a message be sent, and known: itself for its lane, and the fact that it is Queued. They may be
// appended again, in part too: lanes drop what they have seen, and facts fold.
func SingleRecords(n chat.Shards, m chat.Outbound, now time.Time) ([]*stream.Record, error) {
	message, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	queued := chat.Fact{
		V: stream.Version, ID: m.ID, Account: m.Account, Status: chat.Queued, At: now.UnixMilli(),
		Channel: m.Channel, Pseudonym: m.Pseudonym, To: m.To, Category: m.Category,
	}
	fact, err := json.Marshal(queued)
	if err != nil {
		return nil, fmt.Errorf("write a fact: %w", err)
	}
	return []*stream.Record{
		{Topic: singleLane(m.Category), Partition: m.Lane(n), Key: []byte(m.Key()), Value: message},
		{Topic: stream.Outcomes, Partition: n.Outcomes(m.Account, "", m.ID), Value: fact, Headers: queued.Headers()},
	}, nil
}
