// Package segment says whom a saved segment of an account holds: people who have all, or any, of its conditions. It decides;
// who fits is looked up by a door.
package segment

import (
	"encoding/json"
	"hash/fnv"
	"slices"
	"strconv"

	"optgate/pipeline/chat"
	"optgate/pipeline/contact"
	"optgate/pipeline/optout"
)

// Segment is a saved choice of people.
type Segment struct {
	V          int         `json:"v"`
	ID         string      `json:"id"`
	Account    string      `json:"account"`
	Name       string      `json:"name"`
	Match      Match       `json:"match"`
	Conditions []Condition `json:"conditions"`
	Revision   int         `json:"revision"`          // how often it was changed
	Created    int64       `json:"created,omitempty"` // ms since 1970
	Updated    int64       `json:"updated,omitempty"` // ms since 1970
}

// Match says how many of a segment's conditions a person has to meet.
type Match string

// The matches.
const (
	All Match = "all"
	Any Match = "any"
)

// Condition is one thing that a person is or has: exactly one member is set.
type Condition struct {
	Tag       string     `json:"tag,omitempty"`
	Category  string     `json:"category,omitempty"`
	Attribute *Attribute `json:"attribute,omitempty"`
	List      string     `json:"list,omitempty"`   // an opt-out list that the person is on, on the send's channel or all
	Within    int        `json:"within,omitempty"` // hours, at most 24, in which the person last wrote by the send's channel
}

// Attribute is a field of a contact with the value that it has to have.
type Attribute struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Segments is the state of an account's segments: key SegmentsKey in the account's shard.
type Segments struct {
	V        int       `json:"v"`
	Segments []Segment `json:"segments"` // in the order in which they were made
}

// SegmentsKey is the key of an account's segments.
func SegmentsKey(account string) string { return "segments/" + account }

// Find gives the place of a segment; below 0: there is none.
func (s Segments) Find(id string) int {
	return slices.IndexFunc(s.Segments, func(one Segment) bool { return one.ID == id })
}

// Tag names what a segment is at this moment; any change gives another one.
func (s Segment) Tag() string {
	state, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	sum := fnv.New64a()
	_, _ = sum.Write(state) // a hash never fails
	return strconv.FormatUint(sum.Sum64(), 16)
}

// Within gives the shortest time, in hours, of the conditions about a person's last words; 0 where there is none.
func (s Segment) Within() (hours int) {
	for _, c := range s.Conditions {
		if c.Within > 0 && (hours == 0 || c.Within < hours) {
			hours = c.Within
		}
	}
	return hours
}

// Alias is what is known of one identifier of a person.
type Alias struct {
	Ref     optout.Ref
	Person  optout.Person    // without consent where it was never heard of
	Contact *contact.Contact // filed under this identifier; nil: none
	Wrote   int64            // ms since 1970 of the last words by the channel; 0: none in 24 h
}

// Moment is what an evaluation goes by, the same for everybody.
type Moment struct {
	Channel string
	Now     int64 // ms since 1970
}

// Holds says whether a person, known by these identifiers, is in the segment.
func (s Segment) Holds(m Moment, person []Alias) bool {
	for _, c := range s.Conditions {
		met := slices.ContainsFunc(person, func(a Alias) bool { return c.Meets(m, a) })
		if met != (s.Match == All) {
			return met
		}
	}
	return s.Match == All && len(s.Conditions) > 0
}

// Meets says whether one identifier by itself meets a condition.
func (c Condition) Meets(m Moment, a Alias) bool {
	switch {
	case c.List != "":
		return a.Person.Entry(c.List, m.Channel).Barred() || a.Person.Entry(c.List, chat.AnyChannel).Barred()
	case c.Within > 0:
		return a.Wrote > 0 && a.Wrote > m.Now-int64(c.Within)*3_600_000
	case a.Contact == nil:
		return false
	case c.Tag != "":
		return a.Contact.HasTag(c.Tag)
	case c.Category != "":
		return a.Contact.HasCategory(c.Category)
	case c.Attribute != nil:
		value, has := a.Contact.Attributes[c.Attribute.Name]
		return has && value == c.Attribute.Value
	}
	return false
}

// Leads gives the conditions by which all that the segment holds can be found: of several that everybody has to meet, the one
// that is likely to be met by the fewest; of those of which one is enough, all.
func (s Segment) Leads() []Condition {
	if s.Match == Any || len(s.Conditions) == 0 {
		return s.Conditions
	}
	return []Condition{slices.MinFunc(s.Conditions, func(a, b Condition) int { return a.breadth() - b.breadth() })}
}

// breadth puts conditions in an order: those that tell people apart best come first.
func (c Condition) breadth() int {
	switch {
	case c.Within > 0:
		return 0
	case c.Tag != "":
		return 1
	case c.Category != "":
		return 2
	case c.List != "":
		return 3
	}
	return 4 // everybody with the attribute has to be looked at, whatever its value
}
