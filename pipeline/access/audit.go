package access

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// AuditKept is how long entries of the audit are kept: 12 months.
const AuditKept = 366 * 24 * time.Hour

// MostForgotten bounds how many entries one audit.forget names.
const MostForgotten = 1000

// Entry says that something was changed by API: key "audit/<account>/<place>" in the account's shard, the account being ""
// for what spans accounts. Nothing personal and no secret stands in it.
type Entry struct {
	V        int               `json:"v"`
	Place    string            `json:"-"` // in its account's audit; sorts by time
	At       int64             `json:"at"`
	Token    string            `json:"token"`                 // name of the token that did it
	Operator bool              `json:"by_operator,omitempty"` // it is an operator's
	Route    string            `json:"route"`                 // method and pattern, as "DELETE /v1/tokens/{id}"
	What     map[string]string `json:"what,omitempty"`        // ids of what was changed: list, id, …
	Counts   map[string]int    `json:"counts,omitempty"`      // how many of what, where the answer said it
	Status   int               `json:"status"`                // of the answer
}

// AuditKey is the key of an entry.
func AuditKey(account, place string) string { return "audit/" + account + "/" + place }

// ParseAuditKey reads what AuditKey wrote.
func ParseAuditKey(key string) (account, place string, ok bool) {
	rest, ok := strings.CutPrefix(key, "audit/")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}

// placeDigits is how many decimal digits of ms stand at the front of a place: enough until the year 2286.
const placeDigits = 13

// Place gives the place of an entry of a time (ms since 1970) that came by a command at an offset.
func Place(at, offset int64) string { return fmt.Sprintf("%0*d.%016x", placeDigits, at, offset) }

// PlaceAfter gives what is before every place of a time or later, and after every earlier one.
func PlaceAfter(at time.Time) string { return fmt.Sprintf("%0*d", placeDigits, max(at.UnixMilli(), 0)) }

var placeForm = regexp.MustCompile(`^[0-9]{13}\.[0-9a-f]{16}$`)

// IsPlace says whether a text is written as a place.
func IsPlace(text string) bool { return placeForm.MatchString(text) }

// placeTime reads the time of a place.
func placeTime(place string) (ms int64, err error) {
	text, _, _ := strings.Cut(place, ".")
	return strconv.ParseInt(text, 10, 64)
}

// NewNote makes the command that writes an entry; account is "" for what spans accounts.
func NewNote(id, account string, entry Entry) (shard.Command, error) {
	entry.V = stream.Version
	return shard.NewCommand(id, CommandNote, account, entry.At, entry)
}

// NewForget makes the command that forgets entries of a shard by their keys. Those younger than AuditKept stay.
func NewForget(id string, made int64, keys []string) (shard.Command, error) {
	return shard.NewCommand(id, CommandForget, "", made, Forget{Keys: keys})
}

// Forget is the body of an audit.forget.
type Forget struct {
	Keys []string `json:"keys"`
}

func noteKeys(p shard.Place, c shard.Command) ([]string, error) {
	entry, err := shard.Body[Entry](c)
	if err != nil {
		return nil, err
	}
	if entry.At <= 0 || entry.Route == "" {
		return nil, errors.New("an entry of the audit without a time or a route")
	}
	return []string{AuditKey(c.Account, Place(entry.At, p.Offset))}, at(p, c)
}

func applyNote(t *shard.Turn, c shard.Command) error {
	entry, err := shard.Body[Entry](c)
	if err != nil {
		return err
	}
	return t.Put(AuditKey(c.Account, Place(entry.At, t.Offset)), entry)
}

func forgetKeys(_ shard.Place, c shard.Command) ([]string, error) {
	forget, err := shard.Body[Forget](c)
	if err != nil {
		return nil, err
	}
	if len(forget.Keys) == 0 || len(forget.Keys) > MostForgotten {
		return nil, fmt.Errorf("%d entries to forget", len(forget.Keys))
	}
	for _, key := range forget.Keys {
		if _, place, ok := ParseAuditKey(key); !ok || !IsPlace(place) {
			return nil, errors.New("a key of something else is no entry to forget")
		}
	}
	return forget.Keys, nil
}

func applyForget(t *shard.Turn, c shard.Command) error {
	keys, err := forgetKeys(t.Place, c)
	if err != nil {
		return err
	}
	for _, key := range keys {
		_, place, _ := ParseAuditKey(key)
		made, err := placeTime(place)
		if err != nil {
			return fmt.Errorf("key of an entry: %w", err)
		}
		if c.Made-made >= AuditKept.Milliseconds() {
			t.Delete(key)
		}
	}
	return nil
}
