package picky

import (
	"strings"
	"time"

	"optgate/pipeline/chat"
)

// Success is the status of an answer that says that a push is kept, or a report is told.
const Success = 100

// Statuses of a number in a delivery report.
const (
	unknown   = 0 // nobody knows yet that it arrived
	delivered = 1
	failed    = 2
	read      = 3
)

// StatusOf tells a status in Picky's words.
func StatusOf(s chat.Status) int {
	switch s {
	case chat.Delivered:
		return delivered
	case chat.Read:
		return read
	case chat.Failed, chat.Skipped, chat.Cancelled, chat.Expired:
		return failed
	}
	return unknown
}

// Reason tells why a message of this status did not arrive: Meta's code, "" where it said none, and words.
func Reason(s chat.Status, text string) (code, words string) {
	if StatusOf(s) != failed {
		return "", ""
	}
	first, rest, _ := strings.Cut(text, " ")
	switch {
	case s == chat.Failed && first != "" && strings.Trim(first, "0123456789") == "":
		return first, rest
	case text == "":
		return "", string(s)
	}
	return "", text
}

// Time writes a time as delivery reports do, in UTC.
func Time(t time.Time) string { return t.UTC().Format("02-01-2006 03:04 PM") }
