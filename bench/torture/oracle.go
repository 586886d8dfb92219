package main

import "slices"

// standing computes from what was said alone, whatever its order, who must stand on each list and since when: the latest
// stop in everything that is linked, unless a later start showed this identifier. A tie is out.
func standing(said []heard) map[string]map[string]int64 {
	type mark struct{ list, who string }
	stops, starts := map[mark]int64{}, map[mark]int64{}
	ties := newTies()
	for _, s := range said {
		ties.tie(slices.Concat(s.who, s.before))
		if s.list == "" {
			continue
		}
		times := starts
		if s.out {
			times = stops
		}
		for _, who := range s.who {
			m := mark{s.list, who}
			times[m] = max(times[m], s.atMilli)
		}
	}
	together := map[mark]int64{} // the latest stop of a whole person
	for m, at := range stops {
		m.who = ties.root(m.who)
		together[m] = max(together[m], at)
	}
	must := map[string]map[string]int64{}
	for who := range ties.above {
		for _, list := range []string{"default", "meta"} {
			out := together[mark{list, ties.root(who)}]
			if out > 0 && out >= starts[mark{list, who}] {
				if must[list] == nil {
					must[list] = map[string]int64{}
				}
				must[list][who] = out
			}
		}
	}
	return must
}

// ties connects identifiers to persons.
type ties struct{ above map[string]string }

func newTies() *ties { return &ties{map[string]string{}} }

func (t *ties) root(who string) string {
	for t.above[who] != "" && t.above[who] != who {
		who = t.above[who]
	}
	return who
}

func (t *ties) tie(all []string) {
	for _, who := range all {
		if t.above[who] == "" {
			t.above[who] = who
		}
		if a, b := t.root(all[0]), t.root(who); a != b {
			t.above[b] = a
		}
	}
}
