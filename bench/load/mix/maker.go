package mix

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// Maker makes webhooks of a mixture, one after the other in the same memory. It is for one goroutine.
type Maker struct {
	mix     *Mix
	mac     hash.Hash
	request []byte
	sum     []byte
}

// Maker gives a new one.
func (m *Mix) Maker() *Maker {
	return &Maker{mix: m, mac: hmac.New(sha256.New, m.secret), sum: make([]byte, 0, sha256.Size)}
}

// Make gives webhook n as a whole HTTP request, good until the next call.
func (k *Maker) Make(n uint64) []byte {
	s := k.mix.shape(n)
	n += k.mix.first
	k.request = append(k.request[:0], s.request...)
	for _, at := range s.ids {
		digits(k.request[:at], n, len(markID))
	}
	for _, at := range s.people {
		person(k.request[:at], n)
	}
	k.mac.Reset()
	k.mac.Write(k.request[s.body:])
	k.sum = k.mac.Sum(k.sum[:0])
	hex.Encode(k.request[s.signature:], k.sum)
	return k.request
}
