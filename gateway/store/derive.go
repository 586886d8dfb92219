package store

import (
	"optgate/pipeline/shard"
)

// op is one change of what readers find in the view besides the states. Its name is completed with the shard's tag.
type op struct {
	verb   verb
	name   string
	member string
	value  string // of HSET and ZADD
}

type verb string

const (
	sAdd verb = "SADD"
	sRem verb = "SREM"
	hSet verb = "HSET"
	hDel verb = "HDEL"
	zAdd verb = "ZADD" // value is the score; "": 0, sorted by member
	zRem verb = "ZREM"
)

// derive adds what readers find because of one state. The operations are absolute: repeating them changes nothing.
func (s *Store) derive(ops []op, c shard.Change) []op {
	switch shard.Family(c.Key) {
	case "person":
		return s.derivePerson(ops, c)
	case "contact":
		return s.deriveContact(ops, c)
	case "audit":
		return deriveAudit(ops, c.Key, c.New != nil)
	case "delivery":
		return deriveDelivery(ops, c.Key, c.Old, c.New)
	case "media":
		return deriveMedia(ops, c.Old, c.New)
	case "upload", "copies":
		return deriveLoose(ops, c.Key, c.New)
	case "import":
		return deriveImport(ops, c.Old, c.New)
	case "audience":
		return deriveAudience(ops, c.Key, c.Old, c.New)
	case "sequence":
		return deriveSequence(ops, c.Key, c.Old, c.New)
	case "subscriber":
		return deriveSubscriber(ops, c.Old, c.New)
	case "broadcast":
		return append(ops, deriveBroadcast(c.Key, c.Old, c.New)...)
	}
	return ops
}
