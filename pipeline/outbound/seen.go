package outbound

import (
	"hash/maphash"
	"strconv"
	"time"
)

const (
	remembered = 8 * 24 * time.Hour // how long ids are
	perDay     = 24 * time.Hour
	mostRows   = 1 << 22 // of a broadcast that are kept as bits
)

// seen remembers the ids of messages that are done, by days, so that whole days can be forgotten. The rows of a broadcast
// cost one bit each, a million 125 kB; other ids a 64-bit hash.
type seen struct {
	seed maphash.Seed
	days []*day // the oldest first
}

type day struct {
	began time.Time
	ids   map[uint64]struct{}
	rows  map[string][]uint64 // by broadcast
}

func newSeen() *seen { return &seen{seed: maphash.MakeSeed()} }

// add remembers a message that was done at a time; the times grow, or nearly so.
func (s *seen) add(at time.Time, account, broadcast, id string, row int) {
	if n := len(s.days); n == 0 || at.Sub(s.days[n-1].began) >= perDay {
		s.days = append(s.days, &day{began: at, ids: map[uint64]struct{}{}, rows: map[string][]uint64{}})
	}
	for at.Sub(s.days[0].began) >= remembered+perDay {
		s.days = s.days[1:]
	}
	d := s.days[len(s.days)-1]
	if !isRow(broadcast, id, row) {
		d.ids[maphash.String(s.seed, keyOf(account, id))] = struct{}{}
		return
	}
	key := keyOf(account, broadcast)
	bits := d.rows[key]
	for len(bits) <= row/64 {
		bits = append(bits, 0)
	}
	bits[row/64] |= 1 << (row % 64)
	d.rows[key] = bits
}

// has says whether a message was done.
func (s *seen) has(account, broadcast, id string, row int) bool {
	if !isRow(broadcast, id, row) {
		hash := maphash.String(s.seed, keyOf(account, id))
		for _, d := range s.days {
			if _, ok := d.ids[hash]; ok {
				return true
			}
		}
		return false
	}
	key := keyOf(account, broadcast)
	for _, d := range s.days {
		if bits := d.rows[key]; row/64 < len(bits) && bits[row/64]&(1<<(row%64)) != 0 {
			return true
		}
	}
	return false
}

// isRow says whether broadcast and row say all that the id does.
func isRow(broadcast, id string, row int) bool {
	n := len(broadcast)
	return broadcast != "" && row < mostRows && len(id) > n+1 && id[:n] == broadcast && id[n] == '.' && id[n+1:] == strconv.Itoa(row)
}
