package offer

import "slices"

// fifo is a queue in a ring.
type fifo[T comparable] struct {
	ring  []T
	first int
	n     int
}

func (f *fifo[T]) push(v T) {
	if f.n == len(f.ring) {
		grown := make([]T, max(64, 2*f.n))
		n := copy(grown, f.ring[f.first:])
		copy(grown[n:], f.ring[:f.first])
		f.ring, f.first = grown, 0
	}
	f.ring[(f.first+f.n)%len(f.ring)] = v
	f.n++
}

func (f *fifo[T]) peek() (v T, ok bool) {
	if f.n == 0 {
		return v, false
	}
	return f.ring[f.first], true
}

func (f *fifo[T]) pop() (v T, ok bool) {
	if v, ok = f.peek(); ok {
		f.first = (f.first + 1) % len(f.ring)
		f.n--
	}
	return v, ok
}

// remove takes one out of the middle; false where it is not there.
func (f *fifo[T]) remove(v T) bool {
	all := slices.Concat(f.ring[f.first:], f.ring[:f.first])[:f.n]
	at := slices.Index(all, v)
	if at < 0 {
		return false
	}
	f.first, f.n = 0, copy(f.ring, slices.Delete(all, at, at+1))
	return true
}
