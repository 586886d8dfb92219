package broadcast

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"optgate/pipeline/fault"
)

// Message is a message as the Cloud API takes it: {"type":…} and the member that the type names. In every string of it {{name}}
// stands for the recipient's parameter of that name. A medium may be named by {"library":…}, which is turned into an id of Meta's
// before the message is sent.
type Message struct {
	tree  map[string]any
	names []string // of its placeholders, sorted, without repeats
}

const (
	maxMessage = 64 << 10 // bytes of a message's JSON, before and after filling
	maxDepth   = 32       // of a message's JSON
)

const tooLong = "at most 64 KiB of JSON"

var placeholder = regexp.MustCompile(`\{\{\s*([\p{L}\p{N}_.-]+)\s*\}\}`)

// ParseMessage checks a message. Its fields are named from "message" on.
func ParseMessage(raw json.RawMessage) (Message, []fault.Field) {
	refuse := func(code, detail string) (Message, []fault.Field) {
		return Message{}, []fault.Field{{Field: "message", Code: code, Detail: detail}}
	}
	if len(raw) > maxMessage {
		return refuse("too_long", tooLong)
	}
	m, err := decodeMessage(raw)
	if err != nil {
		return refuse("invalid", err.Error())
	}
	if written, err := json.Marshal(m); err != nil || len(written) > maxMessage {
		return refuse("too_long", tooLong)
	}
	return m, m.check()
}

// Errors of rows whose message can't be sent once it is filled.
const (
	MessageTooLong = "Message Too Long: " // and the field that is, as text.body
	InvalidMessage = "Invalid Message: "  // and the field that is empty, or not what it has to be
)

// For writes the message for one recipient, as Fill does, and says what keeps it from being sent, as the error of a row: a parameter
// that is missing, or a limit that what it brought goes over. "": nothing does.
func (m Message) For(params map[string]string) (filled json.RawMessage, wrong string, err error) {
	if missing := m.Missing(params); missing != "" {
		return nil, MissingParameter + missing, nil
	}
	tree := m.fill(params)
	if filled, err = written(tree); err != nil {
		return nil, "", err
	}
	if len(filled) > maxMessage {
		return nil, MessageTooLong + "message", nil
	}
	if len(m.names) == 0 {
		return filled, "", nil // as it was when it was checked
	}
	for _, f := range inspect(tree, true) {
		if f.Code == codeTooLong {
			return nil, MessageTooLong + strings.TrimPrefix(f.Field, "message."), nil
		}
		wrong = InvalidMessage + strings.TrimPrefix(f.Field, "message.")
	}
	if wrong != "" {
		return nil, wrong, nil
	}
	return filled, "", nil
}

// check holds a message against what can be sent.
func (m Message) check() []fault.Field { return inspect(m.tree, false) }

func decodeMessage(raw json.RawMessage) (Message, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m Message
	if err := d.Decode(&m.tree); err != nil || m.tree == nil {
		return Message{}, errors.New("must be an object, as {\"type\":\"text\",\"text\":{\"body\":\"Hi\"}}")
	}
	if depth(m.tree) > maxDepth {
		return Message{}, fmt.Errorf("at most %d levels deep", maxDepth)
	}
	names := map[string]bool{}
	_ = walk(m.tree, func(text string) string {
		for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
			names[found[1]] = true
		}
		return text
	})
	m.names = slices.Sorted(maps.Keys(names))
	return m, nil
}

// Names gives the parameters that the message needs.
func (m Message) Names() []string { return m.names }

// Missing gives the first parameter that is needed and not there, "" where nothing is missing.
func (m Message) Missing(params map[string]string) string {
	for _, name := range m.names {
		if _, ok := params[name]; !ok {
			return name
		}
	}
	return ""
}

// Fill writes the message for one recipient. What a parameter brings is text: it is not looked at for placeholders.
func (m Message) Fill(params map[string]string) (json.RawMessage, error) {
	return written(m.fill(params))
}

func (m Message) fill(params map[string]string) map[string]any {
	if len(m.names) == 0 {
		return m.tree
	}
	filled, _ := walk(m.tree, func(text string) string {
		if !strings.Contains(text, "{{") {
			return text
		}
		var b strings.Builder
		rest := 0
		for _, at := range placeholder.FindAllStringSubmatchIndex(text, -1) {
			if value, ok := params[text[at[2]:at[3]]]; ok {
				b.WriteString(text[rest:at[0]])
				b.WriteString(value)
				rest = at[1]
			}
		}
		b.WriteString(text[rest:])
		return b.String()
	}).(map[string]any)
	return filled
}

func written(tree map[string]any) (json.RawMessage, error) {
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("fill a message: %w", err)
	}
	return raw, nil
}

// IsZero says that there is no message.
func (m Message) IsZero() bool { return m.tree == nil }

// MarshalJSON writes the message with its placeholders.
func (m Message) MarshalJSON() ([]byte, error) { return json.Marshal(m.tree) }

// UnmarshalJSON reads a message that was checked before.
func (m *Message) UnmarshalJSON(raw []byte) (err error) {
	*m, err = decodeMessage(raw)
	return err
}

// walk copies a JSON value with every string changed; names of members stay.
func walk(value any, change func(string) string) any {
	switch v := value.(type) {
	case string:
		return change(v)
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = walk(inner, change)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			out[name] = walk(inner, change)
		}
		return out
	}
	return value
}

func depth(value any) int {
	deepest := 0
	switch v := value.(type) {
	case []any:
		for _, inner := range v {
			deepest = max(deepest, depth(inner))
		}
	case map[string]any:
		for _, inner := range v {
			deepest = max(deepest, depth(inner))
		}
	default:
		return 0
	}
	return deepest + 1
}
