package sequence

import "optgate/pipeline/chat"

// Sums counts what the report of a sequence shows: key Ref.SumsKey. It changes in the same decisions as the rows do, so that it
// always adds up.
type Sums struct {
	V      int                         `json:"v"`
	People map[Standing]int            `json:"people,omitempty"`
	Steps  map[int]map[chat.Status]int `json:"steps,omitempty"`  // by number and status
	Errors map[string]int              `json:"errors,omitempty"` // rows by what error shows
	Lists  map[string]int              `json:"lists,omitempty"`  // rows by the list that barred them
	Folded int64                       `json:"folded"`           // offset in the partition of outcomes up to which the rows tell all
}

// Status gives the number of rows in a status, over all steps.
func (s Sums) Status(status chat.Status) (n int) {
	for _, by := range s.Steps {
		n += by[status]
	}
	return n
}

// Subscribers is how many people are kept.
func (s Sums) Subscribers() (n int) {
	for _, people := range s.People {
		n += people
	}
	return n
}

func (s *Sums) person(standing Standing, n int) {
	if s.People == nil {
		s.People = map[Standing]int{}
	}
	add(s.People, standing, n)
}

// row counts a row in, or out with n of -1.
func (s *Sums) row(r Row, n int) {
	if s.Steps == nil {
		s.Steps, s.Errors, s.Lists = map[int]map[chat.Status]int{}, map[string]int{}, map[string]int{}
	}
	if s.Errors == nil {
		s.Errors = map[string]int{}
	}
	if s.Lists == nil {
		s.Lists = map[string]int{}
	}
	by := s.Steps[r.Step]
	if by == nil {
		by = map[chat.Status]int{}
		s.Steps[r.Step] = by
	}
	if add(by, r.Shown(), n); len(by) == 0 {
		delete(s.Steps, r.Step)
	}
	if r.Error != "" {
		add(s.Errors, r.Error, n)
	}
	if r.List != "" {
		add(s.Lists, r.List, n)
	}
}

// add counts, and lets nought go.
func add[K comparable](counts map[K]int, key K, n int) {
	if counts[key] += n; counts[key] == 0 {
		delete(counts, key)
	}
}
