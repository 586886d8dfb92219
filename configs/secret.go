package configs

import (
	"crypto/subtle"
	"fmt"
	"io"
)

// Redacted is how a secret prints.
const Redacted = "[redacted]"

// Secret is a text that can't be printed: in fmt, JSON, YAML and logs it reads as Redacted, or as nothing where it is empty.
// Reveal is the only way to it, so that a search for Reveal finds every use.
type Secret struct {
	// A pointer, since fmt calls no method of an unexported field and would print a text there.
	text *string
}

// NewSecret makes a secret of a text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal gives the text itself. It must not get into a log, an error or an answer.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty says that there is no secret.
func (s Secret) Empty() bool { return s.text == nil }

// Equal compares in a time that does not depend on where two secrets of one length differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String gives Redacted, or "" where there is no secret.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return Redacted
}

// Format writes Redacted for every verb.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // fmt has no way to take an error
}

// MarshalText is how JSON, YAML and logs write it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
