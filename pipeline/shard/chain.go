package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"optgate/pipeline/stream"
)

// Chain is the hash over all rows of one shard's ledger up to one of them. Each row's record carries its own in the header
// HeaderChain, so that a row that is changed, moved or missing shows in every later one. Whoever may write to Kafka may also
// compute all hashes anew: only a head that was kept elsewhere proves that nobody did.
type Chain [sha256.Size]byte

// The headers of a ledger row's record.
const (
	HeaderCause = "cause" // "<offset of the command>.<n>": the row's identity
	HeaderChain = "chain" // the Chain that ends with this row, in hex
)

// NewChain is what the first row of a shard's ledger is chained to.
func NewChain(installation string, shard int) Chain {
	return sha256.Sum256(fmt.Appendf(nil, "optgate ledger %q %d", installation, shard))
}

// ParseChain reads what String wrote.
func ParseChain(text string) (c Chain, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(c) {
		return c, fmt.Errorf("a chain is %d digits of hex, not %d", 2*len(c), len(text))
	}
	return Chain(raw), nil
}

// String gives the hash in hex.
func (c Chain) String() string {
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], c[:])
	return string(text[:])
}

// After gives the chain that ends with one more row: the SHA-256 of the chain so far and, each with its length before it in
// eight bytes, the row's key, value and cause. Other headers are not part of it, so that they may be added later.
func (c Chain) After(r *stream.Record) Chain {
	var room [640]byte // a row of today, so that hashing takes no allocation
	b := append(room[:0], c[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(r.Key)))
	b = append(b, r.Key...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(r.Value)))
	b = append(b, r.Value...)
	cause := r.Header(HeaderCause)
	b = binary.BigEndian.AppendUint64(b, uint64(len(cause)))
	b = append(b, cause...)
	return sha256.Sum256(b)
}

// IsRow says whether a record of consent is a row of the ledger. The others are claims, which are outside of the chain.
func IsRow(r *stream.Record) bool { return string(r.Key) != claimKey }
