package broadcast

import "math/bits"

// bitset says of each row, or page, whether something is so: one bit each, a million 125 kB.
type bitset []uint64

func (b bitset) has(n int) bool { return n/64 < len(b) && b[n/64]&(1<<(n%64)) != 0 }

// set says that it is so, and whether it was not.
func (b *bitset) set(n int) bool {
	for len(*b) <= n/64 {
		*b = append(*b, 0)
	}
	was := b.has(n)
	(*b)[n/64] |= 1 << (n % 64)
	return !was
}

// clear says that it is not so, and whether it was.
func (b bitset) clear(n int) bool {
	if !b.has(n) {
		return false
	}
	b[n/64] &^= 1 << (n % 64)
	return true
}

// next gives the first number from n on of which it is so; false: there is none.
func (b bitset) next(n int) (int, bool) {
	for i := n / 64; i < len(b); i++ {
		word := b[i]
		if i == n/64 {
			word &= ^uint64(0) << (n % 64)
		}
		if word != 0 {
			return i*64 + bits.TrailingZeros64(word), true
		}
	}
	return 0, false
}

// join makes it so wherever it is so in another set.
func (b *bitset) join(other bitset) {
	for len(*b) < len(other) {
		*b = append(*b, 0)
	}
	for i, word := range other {
		(*b)[i] |= word
	}
}
