package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"optgate/pipeline/chat"
	"optgate/pipeline/contact"
	"optgate/pipeline/optout"
	"optgate/pipeline/segment"
)

// acquaintance is what is known of identifiers.
type acquaintance map[chat.Pseudonym]segment.Alias

// read reads identifiers, and whatever links and contacts lead to from them.
func (e *evaluation) read(ctx context.Context, some []optout.Ref) (acquaintance, error) {
	known, first := acquaintance{}, make([]chat.Pseudonym, len(some))
	for i, ref := range some {
		known[ref.P], first[i] = segment.Alias{Ref: ref}, ref.P
	}
	for level, depth := first, 0; len(level) > 0 && depth < widestPerson; depth++ {
		states, err := e.store.everywhere(ctx, level, func(p chat.Pseudonym) []string {
			return []string{optout.PersonKey(e.of.Account, p), contact.Key(e.of.Account, p)}
		})
		if err != nil {
			return nil, err
		}
		for i, p := range level {
			a := segment.Alias{Ref: optout.Ref{ID: known[p].Ref.ID, P: p}}
			if state := states[i][0]; state != nil {
				if err := json.Unmarshal(state, &a.Person); err != nil {
					return nil, fmt.Errorf("state of a person: %w", err)
				}
				a.Ref.ID = cmp.Or(a.Person.ID, a.Ref.ID)
			}
			if a.Contact = new(contact.Contact); !readContact(states[i][1], a.Contact) {
				a.Contact = nil
			} else {
				a.Ref.ID = a.Contact.Who[0].ID
			}
			known[p] = a
		}
		level = known.next(level)
	}
	return known, e.hear(ctx, known)
}

// next gives whoever the identifiers of a level lead to and who isn't known yet.
func (k acquaintance) next(level []chat.Pseudonym) (next []chat.Pseudonym) {
	for _, p := range level {
		for _, ref := range leadsTo(k[p]) {
			if _, seen := k[ref.P]; !seen {
				k[ref.P] = segment.Alias{Ref: ref}
				next = append(next, ref.P)
			}
		}
	}
	return next
}

// leadsTo gives the other identifiers of whoever an alias is.
func leadsTo(a segment.Alias) (refs []optout.Ref) {
	for _, l := range a.Person.Links {
		refs = append(refs, optout.Ref{P: l.P})
	}
	if a.Contact != nil {
		refs = append(refs, a.Contact.Who[1:]...)
	}
	return refs
}

// person gives all identifiers of one person, the one asked for first.
func (k acquaintance) person(p chat.Pseudonym) []segment.Alias {
	person, seen := []segment.Alias{k[p]}, map[chat.Pseudonym]bool{p: true}
	for i := 0; i < len(person) && len(person) < widestPerson; i++ {
		for _, ref := range leadsTo(person[i]) {
			if !seen[ref.P] {
				seen[ref.P] = true
				person = append(person, k[ref.P])
			}
		}
	}
	return person
}

// hear adds when each identifier was last heard on the channel, where the segment asks for that.
func (e *evaluation) hear(ctx context.Context, known acquaintance) error {
	if e.of.Within() == 0 {
		return nil
	}
	people := make([]optout.Ref, 0, len(known))
	for _, a := range known {
		people = append(people, a.Ref)
	}
	heard, err := e.store.heard(ctx, e.of.Account, e.moment.Channel, people)
	if err != nil {
		return err
	}
	for i, ref := range people {
		a := known[ref.P]
		a.Wrote = heard[i]
		known[ref.P] = a
	}
	return nil
}
