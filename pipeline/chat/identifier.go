package chat

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strconv"
	"strings"
)

// Identifier names a person on some platform, as "kind:value", always in its canonical form:
//
//	phone:447700900101            E.164 digits; see Phone
//	bsuid:GB.902…                 Meta's business-scoped user id; parents too, as bsuid:GB.ENT.…
//	psid:<page>/<id>              Messenger
//	igsid:<account>/<id>          Instagram
//	email:ada@example.com         domain in lower case
type Identifier string

// The kinds of identifiers.
const (
	KindPhone = "phone"
	KindBSUID = "bsuid"
	KindPSID  = "psid"
	KindIGSID = "igsid"
	KindEmail = "email"
)

// Kind gives the part before the colon.
func (id Identifier) Kind() string {
	kind, _, _ := strings.Cut(string(id), ":")
	return kind
}

// Value gives the part after the colon.
func (id Identifier) Value() string {
	_, value, _ := strings.Cut(string(id), ":")
	return value
}

// Shown writes an identifier as the API does: a phone as +E164, an id of Messenger or Instagram with its kind, everything
// else as its value. ParseIdentifier reads all of them.
func (id Identifier) Shown() string {
	switch id.Kind() {
	case KindPhone:
		return "+" + id.Value()
	case KindPSID, KindIGSID:
		return string(id)
	}
	return id.Value()
}

// Pseudonym stands for an identifier wherever the clear form is not needed: the first 63 bits of
// HMAC-SHA256(account key, identifier). It survives an erasure and is the same for ever.
type Pseudonym int64

// String writes a pseudonym in decimal, as Redis's integer sets hold it.
func (p Pseudonym) String() string { return strconv.FormatInt(int64(p), 10) }

// Key is an account's secret key of pseudonyms. It is made once and can't be changed: the ledger rests on it.
type Key []byte

// Pseudonym gives an identifier's pseudonym in this account.
func (k Key) Pseudonym(id Identifier) Pseudonym { return Pseudonym(k.sum(string(id))) }

// Message gives the keyed hash of a message id, in hex. A message id of Meta's contains the phone number, so that it
// stands in no ledger, log or command.
func (k Key) Message(id string) string {
	return strconv.FormatUint(k.sum("message:"+id), 16)
}

func (k Key) sum(text string) uint64 {
	h := Hasher{mac: hmac.New(sha256.New, k)}
	return h.sum(text)
}

// Hasher computes what Key does, many times over with no allocation, for one goroutine at a time.
type Hasher struct {
	mac  hash.Hash
	text []byte
	into []byte
}

// Hasher gives a hasher of this key.
func (k Key) Hasher() *Hasher {
	return &Hasher{mac: hmac.New(sha256.New, k), text: make([]byte, 0, 256), into: make([]byte, 0, sha256.Size)}
}

// Pseudonym is Key's.
func (h *Hasher) Pseudonym(id Identifier) Pseudonym { return Pseudonym(h.sum(string(id))) }

// Message is Key's.
func (h *Hasher) Message(id string) string {
	return strconv.FormatUint(h.sum("message:", id), 16)
}

func (h *Hasher) sum(texts ...string) uint64 {
	h.text = h.text[:0]
	for _, text := range texts {
		h.text = append(h.text, text...)
	}
	h.mac.Reset()
	h.mac.Write(h.text)
	h.into = h.mac.Sum(h.into[:0])
	return binary.BigEndian.Uint64(h.into) >> 1
}

// Shards is the number of shards, fixed when an installation is made.
type Shards int

// Of gives the shard of a person.
func (n Shards) Of(p Pseudonym) int { return int(int64(p) % int64(n)) }

// Subsets is how many sets a shard cuts a list on a channel into, so that each stays a small one of integers.
const Subsets = 64

// Subset gives which of a list's sets on a channel holds a person.
func (n Shards) Subset(p Pseudonym) int { return int(int64(p) / int64(n) % Subsets) }

// Account gives the shard of what concerns a whole account.
func (n Shards) Account(id string) int {
	sum := sha256.Sum256([]byte(id))
	return int(binary.BigEndian.Uint64(sum[:8]) % uint64(n))
}

// Broadcast gives the shard of a broadcast, and with it its partition of outcomes.
func (n Shards) Broadcast(account, broadcast string) int { return n.Account(account + "/" + broadcast) }

// Import gives the shard of an import.
func (n Shards) Import(account, id string) int { return n.Account(account + "/" + id) }

// Lanes gives the number of partitions of each outbound topic: half as many as shards, at least one.
func (n Shards) Lanes() int { return max(1, int(n)/2) }
