package api

import (
	"cmp"
	"slices"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// widestCircle bounds how many identifiers of one person are looked at.
const widestCircle = 50

// circle is everything that is known of a person: the identifier that was asked about, and all that links lead to, the
// nearest first.
type circle struct {
	refs      []optout.Ref
	persons   []optout.Person
	truncated bool // there are more
}

// circle follows links from one identifier.
func (a *API) circle(c *call, account optout.Account, from chat.Pseudonym) (circle, error) {
	var found circle
	seen := map[chat.Pseudonym]bool{from: true}
	for level := []chat.Pseudonym{from}; len(level) > 0; {
		if room := widestCircle - len(found.refs); len(level) > room {
			level, found.truncated = level[:room], true
		}
		persons, err := a.everywhere(c, account.ID, level)
		if err != nil {
			return found, err
		}
		var next []chat.Pseudonym
		for i, p := range level {
			found.refs = append(found.refs, optout.Ref{ID: persons[i].ID, P: p})
			found.persons = append(found.persons, persons[i])
			for _, l := range persons[i].Links {
				if !seen[l.P] {
					seen[l.P] = true
					next = append(next, l.P)
				}
			}
		}
		level = next
	}
	return found, nil
}

// everywhere reads the states of identifiers, each in its shard.
func (a *API) everywhere(c *call, account string, people []chat.Pseudonym) ([]optout.Person, error) {
	inShard := map[int][]int{}
	for i, p := range people {
		inShard[a.Shards.Of(p)] = append(inShard[a.Shards.Of(p)], i)
	}
	all := make([]optout.Person, len(people))
	for at, indexes := range inShard {
		some := make([]chat.Pseudonym, len(indexes))
		for n, i := range indexes {
			some[n] = people[i]
		}
		persons, err := a.persons(c, account, at, some)
		if err != nil {
			return nil, err
		}
		for n, i := range indexes {
			all[i] = persons[n]
		}
	}
	return all, nil
}

// identity shows an identifier: its pseudonym as id, its kind, and its clear form as to or email. Where only a link led to it,
// its kind is unknown and the clear form null.
type identity struct {
	ID    string  `json:"id"`
	Kind  string  `json:"kind"`
	To    *string `json:"to"`
	Email *string `json:"email"`
}

func viewIdentity(r optout.Ref) identity {
	v := identity{ID: r.P.String(), Kind: cmp.Or(r.ID.Kind(), "unknown")}
	v.To, v.Email = shown(r.ID)
	return v
}

// standingView is what is known of an identifier on one list and channel. Lifted ones stand too.
type standingView struct {
	List       string     `json:"list"`
	Name       string     `json:"name"`
	Channel    string     `json:"channel"` // or "*"
	OptedOut   bool       `json:"opted_out"`
	Since      *time.Time `json:"since"` // of what is in force: of the opt-out, or of the opt-in after it
	OptedOutAt *time.Time `json:"opted_out_at"`
	OptedInAt  *time.Time `json:"opted_in_at"`
	Source     string     `json:"source"` // of the opt-out, as rule
	Rule       string     `json:"rule"`
	Reason     string     `json:"reason"` // in one sentence, where it is in force
	Entry      string     `json:"entry"`  // id in the list, for its removal
}

// viewStandings shows the entries of an identifier on lists that are there.
func viewStandings(account optout.Account, r optout.Ref, person optout.Person) []standingView {
	views := []standingView{}
	for _, e := range person.Entries {
		if l, ok := account.List(e.List); ok && e.Out+e.In > 0 {
			views = append(views, viewOne(l, r, person, e))
		}
	}
	return views
}

func viewOne(l optout.List, r optout.Ref, person optout.Person, e optout.Entry) standingView {
	v := standingView{
		List: l.ID, Name: l.Name, Channel: e.Channel, OptedOut: e.Barred(), OptedOutAt: timeOf(e.Out), OptedInAt: timeOf(e.In),
		Source: e.Source, Rule: e.Rule, Entry: entryID(r.P, e.Channel),
	}
	v.Since = v.OptedInAt
	if v.OptedOut {
		v.Since = v.OptedOutAt
		v.Reason = optout.Reason(barring(person, l, e))
	}
	return v
}

// timeOf gives a time kept in ms; nil for 0.
func timeOf(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

// linkedView is another identifier of a person, and what still bars it.
type linkedView struct {
	identity
	Optouts []standingView `json:"optouts"`
}

// linked gives all but the first identifier.
func (f circle) linked(account optout.Account) []linkedView {
	views := []linkedView{}
	for i := 1; i < len(f.refs); i++ {
		views = append(views, linkedView{viewIdentity(f.refs[i]), f.optouts(account, i)})
	}
	return views
}

// optouts gives what is in force for one identifier.
func (f circle) optouts(account optout.Account, i int) []standingView {
	return slices.DeleteFunc(viewStandings(account, f.refs[i], f.persons[i]), func(v standingView) bool { return !v.OptedOut })
}
