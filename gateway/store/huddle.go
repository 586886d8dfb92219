package store

import (
	"iter"
	"slices"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// huddle is some questions about the same sets: people of one subset of a shard, asked about alike.
type huddle struct {
	shard  int
	sets   []set
	people []*int64 // their pseudonyms, as what go-redis writes without an allocation
	asked  []int32  // indexes of the questions
	blocks []set    // that bar people of the whole shard; none where the blacklist isn't asked about
	beside bool     // its people stand in other huddles too
}

// set is one set of a list's people.
type set struct {
	list, channel, name string
}

// huddles cuts questions into huddles, shard by shard.
func (s *Store) huddles(questions []gate.Question) []huddle {
	var all []huddle
	for _, alike := range alike(questions) {
		groups := make([]int32, len(alike)) // shard and subset, as one number
		for i, at := range alike {
			p := questions[at].Pseudonym
			groups[i] = int32(s.shards.Of(p)*chat.Subsets + s.shards.Subset(p))
		}
		order := inOrder(groups)
		people, asked := make([]*int64, len(alike)), make([]int32, len(alike))
		for i, at := range order {
			asked[i] = alike[at]
			people[i] = (*int64)(&questions[alike[at]].Pseudonym)
		}
		for from := 0; from < len(order); {
			to := from + 1
			for to < len(order) && groups[order[to]] == groups[order[from]] {
				to++
			}
			group := int(groups[order[from]])
			h := huddle{shard: group / chat.Subsets, people: people[from:to], asked: asked[from:to]}
			q := &questions[h.asked[0]]
			h.sets = sets(q, group%chat.Subsets)
			if last := len(all) - 1; from > 0 && all[last].shard == h.shard {
				h.blocks = all[last].blocks
			} else {
				h.blocks = blocks(q)
			}
			all = append(all, h)
			from = to
		}
	}
	slices.SortStableFunc(all, func(a, b huddle) int { return a.shard - b.shard })
	return all
}

// sets names what a question is about in one subset.
func sets(q *gate.Question, subset int) []set {
	all := make([]set, 0, 2*len(q.Lists))
	for _, list := range q.Lists {
		if list == gate.Blacklist {
			continue
		}
		for _, channel := range [...]string{q.Channel, chat.AnyChannel} {
			all = append(all, set{list, channel, setName(q.Account, list, channel, subset)})
		}
	}
	return all
}

// blocks names the sets of the blacklist that a question is about. It is short and asked about with every message, so that it is
// not cut into subsets: two questions for all the people of a shard are next to nothing beside those about lists.
func blocks(q *gate.Question) []set {
	if !slices.Contains(q.Lists, gate.Blacklist) {
		return nil
	}
	all := make([]set, 0, 2)
	for _, channel := range [...]string{q.Channel, chat.AnyChannel} {
		all = append(all, set{gate.Blacklist, channel, setName(q.Account, gate.Blacklist, channel, 0)})
	}
	return all
}

// withBlocks puts before neighbours of one shard what asks for all of them whether they are blocked, so that it is what an
// answer names first.
func withBlocks(some []huddle) []huddle {
	all := make([]huddle, 0, 2*len(some))
	for from := 0; from < len(some); {
		to, first := from+1, some[from]
		for to < len(some) && some[to].shard == first.shard && sameBlocks(some[to].blocks, first.blocks) {
			to++
		}
		if len(first.blocks) > 0 {
			h := huddle{shard: first.shard, sets: first.blocks, people: first.people, asked: first.asked, beside: true}
			for _, one := range some[from+1 : to] {
				if n := len(h.people); cap(h.people) > n && &h.people[:n+1][n] == &one.people[0] { // they follow each other: nothing is copied
					h.people, h.asked = h.people[:n+len(one.people)], h.asked[:n+len(one.asked)]
					continue
				}
				h.people, h.asked = slices.Clip(h.people), slices.Clip(h.asked)
				h.people, h.asked = append(h.people, one.people...), append(h.asked, one.asked...)
			}
			all = append(all, h)
		}
		all = append(all, some[from:to]...)
		from = to
	}
	return all
}

// sameBlocks says that two huddles ask about the same sets of the blacklist.
func sameBlocks(a, b []set) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// alike gives the indexes of questions that differ in nothing but the person.
func alike(questions []gate.Question) [][]int32 {
	var all [][]int32
	known := map[string]int{}
	last, at := (*gate.Question)(nil), 0
	for i := range questions {
		q := &questions[i]
		if last == nil || q.Account != last.Account || q.Channel != last.Channel || !slices.Equal(q.Lists, last.Lists) {
			key := q.Account + "\x00" + q.Channel + "\x00" + strings.Join(q.Lists, "\x00")
			var again bool
			if at, again = known[key]; !again {
				at = len(all)
				known[key] = at
				all = append(all, nil)
			}
			last = q
		}
		all[at] = append(all[at], int32(i))
	}
	return all
}

// countFrom is how many numbers are put in order faster by counting than by comparing.
const countFrom = 512

// inOrder gives the indexes of small numbers in the order of the numbers.
func inOrder(numbers []int32) []int32 {
	order := make([]int32, len(numbers))
	if len(numbers) < countFrom {
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return int(numbers[a] - numbers[b]) })
		return order
	}
	ends := make([]int32, slices.Max(numbers)+2)
	for _, n := range numbers {
		ends[n+1]++
	}
	for n := 1; n < len(ends); n++ {
		ends[n] += ends[n-1]
	}
	for i, n := range numbers {
		order[ends[n]] = int32(i)
		ends[n]++
	}
	return order
}

// portions cuts huddles into what is asked in one pipeline: by what it costs Redis, counted in memberships. A huddle of
// more is cut too.
func portions(all []huddle) iter.Seq[[]huddle] {
	return func(yield func([]huddle) bool) {
		var some []huddle
		cost := 0
		for _, h := range all {
			sets := max(1, len(h.sets))
			for len(h.people) > 0 {
				n := min(len(h.people), max(1, (askAtOnce-cost)/sets-commandCost))
				part := h
				part.people, part.asked = h.people[:n], h.asked[:n]
				h.people, h.asked = h.people[n:], h.asked[n:]
				some = append(some, part)
				if cost += (n + commandCost) * sets; cost >= askAtOnce-sets*commandCost {
					if !yield(some) {
						return
					}
					some, cost = nil, 0
				}
			}
		}
		if len(some) > 0 {
			yield(some)
		}
	}
}
