package broadcast

import (
	"slices"
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

// Outbound makes the message. wrong is what ParseSingle found at fault; the error names every field.
func (t Terms) Outbound(id string, s Single, wrong []fault.Field) (chat.Outbound, error) {
	f := form{wrong: wrong}
	t.check(s.Channel, s.Category, s.Lists, f.say)
	if s.Category == chat.Marketing {
		named(s.Category, s.Lists, f.say)
	}
	m := chat.Outbound{
		V: stream.Version, ID: id, Account: t.Account.ID, Channel: s.Channel, Kind: chat.KindSingle, Category: s.Category,
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
	if !s.Message.IsZero() {
		if missing := s.Message.Missing(s.Params); missing != "" {
			f.say("params."+missing, "required", "the message needs it")
		} else if m.Message, err = s.Message.Fill(s.Params); err != nil || len(m.Message) > maxMessage {
			f.say("params", "too_long", "make a message of more than 64 KiB")
		}
	}
	return m, f.err()
}

// SingleID gives a message's id: by the client's Idempotency-Key the same one in every repeat, else a chance one.
func SingleID(key chat.Key, idempotency, chance string) string {
	if idempotency == "" {
		return "m." + chance
	}
	return "m." + key.Message("message/"+idempotency)
}

// Lane gives the topic that a single message waits in: marketing never goes before answers and codes.
func (s Single) Lane() stream.Topic {
	if s.Category == chat.Marketing {
		return stream.OutboundBulk
	}
	return stream.OutboundReplies
}
