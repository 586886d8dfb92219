// Package segment says whom a saved segment of an account holds: people who have all, or any, of its conditions. It decides;
// who fits is looked up by a door.
package segment

// Segment is a saved choice of people.
type Segment struct {
	V          int         `json:"v"`
	ID         string      `json:"id"`
	Account    string      `json:"account"`
	Name       string      `json:"name"`
	Match      Match       `json:"match"`
	Conditions []Condition `json:"conditions"`
	Revision   int         `json:"revision"`
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
