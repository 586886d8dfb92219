// Package picky reads what programs written for Picky Assist's push API ask for, and says in its words what became of it. What
// it makes of a push are messages as the Cloud API takes them; it sends nothing.
package picky

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// MaxNumbers is how many numbers a push takes.
const MaxNumbers = 10_000

const (
	maxWrong = 100 // fields told at once
	maxGiven = 64  // bytes of a number as it is shown
)

// Push is what a call asks for.
type Push struct {
	Application int             // number of the channel; 0: the account's only one
	Template    string          // name of the template; "": no template is sent
	Language    string          // of it, by its code
	Priority    bool            // before others
	Message     json.RawMessage // as the Cloud API takes it, to all whose row has none of its own; nil: every row has one
	Recipients  []Recipient     // in the order in which they came
}

// Recipient is one of those whom a push goes to.
type Recipient struct {
	Given   string          // the number as it came
	To      chat.Identifier // "": it is no phone number
	Message json.RawMessage // of its own; nil: the push's
}

// scalar is a text; a number, true or false counts as one.
type scalar string

// UnmarshalJSON takes null for "".
func (s *scalar) UnmarshalJSON(raw []byte) error {
	switch {
	case string(raw) == "null":
		return nil
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return fmt.Errorf("text: %w", err)
		}
		*s = scalar(text)
	case raw[0] == '{', raw[0] == '[':
		return &json.UnmarshalTypeError{Value: "object", Type: textType}
	default:
		*s = scalar(raw)
	}
	return nil
}

// yes says that a flag is set.
func (s scalar) yes() bool { return s == "1" || s == "true" }

// request is a push as it comes. Members that are not known here are passed over, as Picky does.
type request struct {
	Application   scalar   `json:"application"`
	Message       scalar   `json:"globalmessage"`
	Media         scalar   `json:"globalmedia"`
	MediaCode     scalar   `json:"globalmedia_code"`
	Template      scalar   `json:"template_id"`
	Language      scalar   `json:"language"`
	Values        []scalar `json:"template_globalmessage"`
	Header        scalar   `json:"template_header"`
	Priority      scalar   `json:"priority"`
	PrioritySpace scalar   `json:"priority "` // as the documented sample has it
	Voice         scalar   `json:"voice"`
	Sticker       scalar   `json:"sticker"`
	Location      *place   `json:"location"`
	Contact       []any    `json:"contact"`
	Data          []row    `json:"data"`
}

type place struct {
	Name    scalar `json:"name"`
	Address scalar `json:"address"`
	Lat     scalar `json:"lat"`
	Long    scalar `json:"long"`
}

type row struct {
	Number    scalar   `json:"number"`
	Message   scalar   `json:"message"`
	Media     scalar   `json:"media"`
	MediaCode scalar   `json:"media_code"`
	Values    []scalar `json:"template_message"`
	Language  scalar   `json:"language"`
}

// ParsePush reads the JSON of a push. The error is a fault.Invalid where it can't be read at all, a fault.TooLarge where it holds
// too many numbers, else a fault.Unprocessable that names every field at fault.
func ParsePush(body []byte) (Push, error) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		return Push{}, unreadable(err)
	}
	if len(r.Data) > MaxNumbers {
		return Push{}, fault.New(fault.TooLarge, "too_many_recipients", "A push takes at most %d numbers, not %d: make several.", MaxNumbers, len(r.Data))
	}
	f := findings{}
	p := Push{Template: string(r.Template), Priority: r.Priority.yes() || r.PrioritySpace.yes(), Language: string(r.Language)}
	if r.Template != "" && p.Language == "" {
		p.Language = defaultLanguage
	}
	if r.Application != "" {
		n, err := strconv.Atoi(string(r.Application))
		if err != nil || n < 1 {
			f.say("application", "invalid", "is the number of a channel, as 101")
		}
		p.Application = n
	}
	if r.MediaCode != "" {
		f.say("globalmedia_code", "media_code_unsupported", "is not taken: give globalmedia, a URL")
	}
	if len(r.Data) == 0 {
		f.say("data", "required", "must be a list of at least one number")
	}
	p.Message = r.message(&f, whole)
	for i, given := range r.Data {
		p.Recipients = append(p.Recipients, r.recipient(&f, i, given, p.Message))
	}
	return p, f.err()
}

func unreadable(err error) error {
	if of, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && of.Field != "" {
		f := findings{}
		f.say(of.Field, "invalid", "is of a wrong type")
		return f.err()
	}
	return fault.New(fault.Invalid, "invalid_json", "The body must be a JSON object.")
}

// recipient reads one row, and gives it a message of its own where it differs from all's.
func (r *request) recipient(f *findings, i int, given row, all json.RawMessage) Recipient {
	field := "data[" + strconv.Itoa(i) + "]"
	out := Recipient{Given: shortened(string(given.Number)), To: number(string(given.Number))}
	if given.Number == "" {
		f.say(field+".number", "required", "must be given")
	}
	if given.MediaCode != "" {
		f.say(field+".media_code", "media_code_unsupported", "is not taken: give media, a URL")
	}
	own := *r
	switch {
	case r.Template != "" && (given.Language != "" || given.Values != nil || given.Media != ""):
		own.Language, own.Media = or(given.Language, r.Language), or(given.Media, r.Media)
		if given.Values != nil {
			own.Values = given.Values
		}
	case r.Template == "" && (given.Message != "" || given.Media != ""):
		own.Message, own.Media = or(given.Message, r.Message), or(given.Media, r.Media)
		own.Location, own.Contact = nil, nil
	case all == nil && len(f.wrong) == 0:
		f.say(field+".message", "required", "must be given where there is no globalmessage")
		return out
	default:
		return out
	}
	out.Message = own.message(f, field+".")
	return out
}

func or(a, b scalar) scalar {
	if a != "" {
		return a
	}
	return b
}

// number reads digits with the country code and without 0 or + before it; a + is forgiven. "" for anything else.
func number(text string) chat.Identifier {
	digits := strings.TrimPrefix(text, "+")
	if digits == "" || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	id, err := chat.ParseRecipient("+"+digits, "")
	if err != nil {
		return ""
	}
	return id
}

func shortened(text string) string {
	if len(text) > maxGiven {
		text = text[:maxGiven]
	}
	return strings.ToValidUTF8(text, "")
}

// findings are the fields at fault.
type findings struct{ wrong []fault.Field }

func (f *findings) say(field, code, detail string) {
	if len(f.wrong) < maxWrong {
		f.wrong = append(f.wrong, fault.Field{Field: field, Code: code, Detail: detail})
	}
}

// err is the one error about all of them; nil where there are none.
func (f *findings) err() error { return Wrong(f.wrong) }

// Wrong is the error about fields of a push; nil where there are none.
func Wrong(fields []fault.Field) error {
	if len(fields) == 0 {
		return nil
	}
	first := fields[0]
	return &fault.Error{
		Kind: fault.Unprocessable, Code: "invalid_fields", Fields: fields,
		Msg: fmt.Sprintf("The field %s: %s.", first.Field, strings.TrimSuffix(first.Detail, ".")),
	}
}
