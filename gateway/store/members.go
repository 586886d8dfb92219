package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/segment"
)

const (
	subsetsAtOnce = 8    // small sets of people that are read in one pipeline
	membersAtOnce = 1000 // people who are looked at together
	widestPerson  = 50   // identifiers of one person that are looked at
)

// Members gives the identifiers by which those whom a segment holds can be reached on a channel: of each person one, some at a
// time, in no order that means anything, as far as links and contacts tell who is one person. Whoever has none that the channel
// reaches is left out. Memory doesn't grow with the segment. It refuses with fault.NotCertain where the view may be behind;
// then who asks begins anew.
func (s *Store) Members(ctx context.Context, of segment.Segment, channel string, each func([]chat.Identifier) error) error {
	l, err := s.Lexicon(ctx, of.Account) // the key of pseudonyms never changes
	if err != nil {
		return err
	}
	e := &evaluation{
		store: s, of: of, moment: segment.Moment{Channel: channel, Now: time.Now().UnixMilli()}, key: l.Account.Key,
		kinds: reachable(), each: each,
	}
	for _, c := range of.Leads() {
		if c.Within > 0 {
			e.within = max(e.within, c.Within)
			continue
		}
		e.sets = append(e.sets, c)
	}
	if len(e.sets) > 0 {
		if err := e.bySets(ctx); err != nil {
			return err
		}
	}
	if e.within > 0 {
		return e.byWords(ctx)
	}
	return nil
}

// reachable gives the kinds of identifiers that a message can go to, the best first: WhatsApp's are the only channels that send.
func reachable() []string { return []string{chat.KindPhone, chat.KindBSUID} }

// evaluation is one pass over a segment.
type evaluation struct {
	store  *Store
	of     segment.Segment
	moment segment.Moment
	key    chat.Key
	kinds  []string
	sets   []segment.Condition // that sets of people lead to
	within int                 // hours, of the conditions that a person's last words lead to; 0: none does
	each   func([]chat.Identifier) error
}

// bySets looks at everybody in the sets that lead to the segment's people, subset by subset, so that nobody comes twice.
func (e *evaluation) bySets(ctx context.Context) error {
	for at := range int(e.store.shards) {
		for first := 0; first < chat.Subsets; first += subsetsAtOnce {
			people, err := e.inSubsets(ctx, at, first)
			if err != nil {
				return err
			}
			for some := range slices.Chunk(people, membersAtOnce) {
				refs := make([]optout.Ref, len(some))
				for i, p := range some {
					refs[i].P = p
				}
				if err := e.look(ctx, refs, false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// inSubsets reads who is in one of the sets, in some subsets of a shard.
func (e *evaluation) inSubsets(ctx context.Context, at, first int) (people []chat.Pseudonym, err error) {
	reads := make([]*redis.StringSliceCmd, 0, subsetsAtOnce)
	certain := e.store.sandwich(ctx, []int{at}, func(pipe redis.Pipeliner) {
		for subset := first; subset < first+subsetsAtOnce; subset++ {
			var names []string
			for _, c := range e.sets {
				for _, name := range e.names(c, subset) {
					names = append(names, e.store.key(at, name))
				}
			}
			reads = append(reads, pipe.SUnion(ctx, names...))
		}
	})
	for _, read := range reads {
		if err := read.Err(); err != nil {
			return nil, uncertain(fmt.Errorf("read a segment: %w", err))
		}
		people = append(people, pseudonyms(read.Val())...)
	}
	if !certain[at] {
		return nil, uncertain(fmt.Errorf("shard %d has no lease", at))
	}
	return people, nil
}

// names gives the sets that hold all who meet a condition, and maybe others.
func (e *evaluation) names(c segment.Condition, subset int) []string {
	account := e.of.Account
	switch {
	case c.Tag != "":
		return []string{contactSet(account, byTag, c.Tag, subset)}
	case c.Category != "":
		return []string{contactSet(account, byCategory, c.Category, subset)}
	case c.Attribute != nil:
		return []string{contactSet(account, byAttribute, c.Attribute.Name, subset)}
	}
	return []string{setName(account, c.List, e.moment.Channel, subset), setName(account, c.List, chat.AnyChannel, subset)}
}

// byWords looks at everybody who wrote lately. Who is in the sets too has been looked at before.
func (e *evaluation) byWords(ctx context.Context) error {
	since := time.UnixMilli(e.moment.Now - int64(e.within)*time.Hour.Milliseconds())
	return e.store.Served(ctx, e.of.Account, e.moment.Channel, since, func(ids []chat.Identifier) error {
		hash := e.key.Hasher()
		people := make([]optout.Ref, len(ids))
		for i, id := range ids {
			people[i] = optout.Ref{ID: id, P: hash.Pseudonym(id)}
		}
		for some := range slices.Chunk(people, membersAtOnce) {
			if err := e.look(ctx, some, true); err != nil {
				return err
			}
		}
		return nil
	})
}

// look gives those of some identifiers by which a person of the segment is told. Each person is told by one of the identifiers
// that lead to it, the same whichever comes first; words says that these were found by a person's last words.
func (e *evaluation) look(ctx context.Context, some []optout.Ref, words bool) error {
	known, err := e.read(ctx, some)
	if err != nil {
		return err
	}
	var ids []chat.Identifier
	for _, ref := range some {
		person := known.person(ref.P)
		if !e.of.Holds(e.moment, person) {
			continue
		}
		if who, to := e.teller(person); who == ref.P && to != "" && words == !e.leads(person, ref.P) {
			ids = append(ids, to)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return e.each(ids)
}

// leads says whether one identifier of a person is in the sets that lead to the segment.
func (e *evaluation) leads(person []segment.Alias, p chat.Pseudonym) bool {
	return slices.ContainsFunc(person, func(a segment.Alias) bool {
		return a.Ref.P == p && slices.ContainsFunc(e.sets, func(c segment.Condition) bool { return c.Meets(e.moment, a) })
	})
}

// teller gives the identifier by which a person is told, of those that lead to the segment, and the one that is written to: the
// contact's own, or the teller itself, or whatever of the person the channel reaches.
func (e *evaluation) teller(person []segment.Alias) (who chat.Pseudonym, to chat.Identifier) {
	ordered := slices.Clone(person)
	slices.SortFunc(ordered, func(a, b segment.Alias) int {
		return cmp.Or(cmp.Compare(e.rank(a), e.rank(b)), cmp.Compare(a.Ref.P, b.Ref.P))
	})
	told := slices.IndexFunc(ordered, func(a segment.Alias) bool {
		return e.leads(person, a.Ref.P) || e.within > 0 && segment.Condition{Within: e.within}.Meets(e.moment, a)
	})
	if told < 0 {
		return 0, ""
	}
	best := ordered[0]
	if e.rank(best) > 0 && e.reaches(ordered[told].Ref.ID) {
		best = ordered[told]
	}
	if !e.reaches(best.Ref.ID) {
		return ordered[told].Ref.P, ""
	}
	return ordered[told].Ref.P, best.Ref.ID
}

// rank puts the identifiers of a person in an order: contacts that the channel reaches come first, then by kind.
func (e *evaluation) rank(a segment.Alias) int {
	kind := slices.Index(e.kinds, a.Ref.ID.Kind())
	switch {
	case kind < 0:
		return 100
	case a.Contact != nil:
		return kind - len(e.kinds)
	}
	return 1 + kind
}

func (e *evaluation) reaches(id chat.Identifier) bool { return slices.Contains(e.kinds, id.Kind()) }
