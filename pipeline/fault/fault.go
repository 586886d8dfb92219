// Package fault gives every error two faces: a Kind, a code and a sentence for the
// person or program that asked, and the wrapped cause for the log alone.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure it was. HTTP status, retry and log level derive from it, each in one place.
type Kind uint8

// The kinds. An error that nobody classified is Internal, and Internal shows nothing of its cause.
const (
	Internal      Kind = iota
	Invalid            // the request can't be read: 400
	Unauthorized       // no token or an unknown one: 401
	Forbidden          // the token may not do this: 403
	NotFound           // not there, or another account's: 404
	Conflict           // the name or id exists: 409
	Stale              // If-Match named another version: 412
	TooLarge           // over a size limit: 413
	Unprocessable      // can be read and can't be done as asked: 422
	TooMany            // over a rate limit: 429
	NotCertain         // the gate can't know, so nothing may be sent: 503
	Unavailable        // something we stand on is away; try again: 503
	WrongMethod        // the URL is there for other methods: 405
)

// Field is one wrong field of a request.
type Field struct {
	Field  string `json:"field"` // path in the request, as "recipients[3].to"
	Code   string `json:"code"`  // stable, for programs
	Detail string `json:"detail"`
}

// Error is a classified error.
type Error struct {
	Kind    Kind
	Code    string         // stable, for programs, as "opted_out"
	Msg     string         // one sentence for people that says what to do; never personal data or a secret
	Fields  []Field        // the fields at fault, if any
	Members map[string]any // more for programs, as members of the answer; nil for none
	Err     error          // the cause, for the log
}

// Error gives the sentence and the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Msg + ": " + e.Err.Error()
	}
	return e.Msg
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of a kind with a stable code and a sentence in fmt's notation.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Msg: fmt.Sprintf(format, args...)}
}

// Wrap classifies a cause.
func Wrap(err error, kind Kind, code, msg string) *Error {
	return &Error{Kind: kind, Code: code, Msg: msg, Err: err}
}

// KindOf gives an error's kind; Internal where nobody classified it.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
