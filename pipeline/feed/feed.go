// Package feed tells the webhook URLs of opt-out lists of each change: a delivery is state of its shard, tried again with
// patience until it has come through or its day is over. It decides what is posted, when and how it is signed; the call
// itself is a door's.
package feed

import (
	"errors"
	"strings"
	"time"

	"optgate/pipeline/optout"
)

// Times of a delivery.
const (
	Lasts         = 24 * time.Hour      // after it was made, or replayed: then it is dead
	KeptDelivered = 7 * 24 * time.Hour  // after it was delivered or dropped
	KeptDead      = 28 * 24 * time.Hour // as long as its letter in dead
)

// Status is where a delivery stands.
type Status string

// The statuses.
const (
	Pending   Status = "pending"
	Delivered Status = "delivered" // the receiver answered 2xx
	Dead      Status = "dead"      // given up: its letter is in dead, and it can be replayed
	Dropped   Status = "dropped"   // its list is gone or has no webhook URL any more
)

// Statuses gives all statuses.
func Statuses() []Status { return []Status{Pending, Delivered, Dead, Dropped} }

// ErrorWaited is the error of a delivery that is given up while its receiver was called no more.
const ErrorWaited = "receiver_unavailable"

// Delivery is the state of one post: key Ref.Key in the shard that its id names.
type Delivery struct {
	V       int    `json:"v"`
	Account string `json:"account"`
	optout.Offer
	Made     int64     `json:"made"`               // ms since 1970 of the change's command
	Since    int64     `json:"since,omitempty"`    // ms since 1970 of its last replay
	Status   Status    `json:"status"`             //
	Next     int64     `json:"next,omitempty"`     // ms since 1970 of the next attempt, while it is pending
	Done     int64     `json:"done,omitempty"`     // ms since 1970 since which it is not
	Tries    int       `json:"tries,omitempty"`    // attempts ever made
	Round    int       `json:"round,omitempty"`    // of them before its last replay
	Error    string    `json:"error,omitempty"`    // why it was given up
	Attempts []Attempt `json:"attempts,omitempty"` // the last ones, at most attemptsKept
}

// attemptsKept bounds the history of a delivery: somewhat more than a day of attempts.
const attemptsKept = 40

// Attempt is one call, as it ended.
type Attempt struct {
	At     int64  `json:"at"`               // ms since 1970
	Took   int64  `json:"took"`             // ms
	Status int    `json:"status,omitempty"` // of HTTP; 0: there was no answer
	Error  string `json:"error,omitempty"`  // a stable code; "": delivered
}

// Until gives the time after which a delivery is not tried any more.
func (d *Delivery) Until() time.Time { return time.UnixMilli(max(d.Made, d.Since)).Add(Lasts) }

// Ref names a delivery.
type Ref struct{ Account, ID string }

// Ref gives the delivery's name.
func (d *Delivery) Ref() Ref { return Ref{d.Account, d.ID} }

// String is the name as keys hold it: account and id, neither of which holds a slash.
func (r Ref) String() string { return r.Account + "/" + r.ID }

// Key is the key of a delivery's state.
func (r Ref) Key() string { return "delivery/" + r.String() }

// ParseKey reads what Key wrote.
func ParseKey(key string) (Ref, error) {
	_, rest, _ := strings.Cut(key, "/")
	account, id, ok := strings.Cut(rest, "/")
	if !ok {
		return Ref{}, errors.New("a delivery's key without an id")
	}
	return Ref{account, id}, nil
}

// List names a list of an account, whose deliveries wait for each other and for nobody else.
type List struct{ Account, ID string }

// String is the name as keys hold it.
func (l List) String() string { return l.Account + "/" + l.ID }

// ParseList reads what String wrote.
func ParseList(text string) (List, bool) {
	account, id, ok := strings.Cut(text, "/")
	return List{account, id}, ok && account != "" && id != ""
}

// Waiting tells of a list's deliveries that are pending in one shard.
type Waiting struct {
	List   List
	Count  int
	Next   time.Time // of the earliest attempt
	Oldest time.Time // when the oldest was made
}
