package store

import (
	"strconv"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/feed"
)

// Every key is prefix + {tag of the shard} + name, so that all keys of a shard share a slot and a script may touch them.
//
// Folded from the shard's `state`, and owned by its owner:
const (
	keyApplied   = "applied"    // layout:generation:offset of the next state, or layout:generation:L while loading
	keyAppliedAt = "applied_at" // ms of the last change of the view
	keyLease     = "lease"      // the generation, for as long as the owner is known to be up to date
	keyStates    = "st"         // hash: a state's key → the state
	keyNames     = "names"      // set: every derived key, so that all can be dropped
	keyActive    = "active"     // hash: broadcasts that are not forgotten → their status
	keyImports   = "imports"    // hash: imports that are not forgotten → status:ms since which they are silent or over
	keyAudits    = "audits"     // set: accounts of the shard that ever had an audit
)

// Of deliveries to webhook URLs, folded from `state` too:
const (
	keyFeeds = "feeds" // set: account/list of deliveries that are pending, and some more
	keyOld   = "old"   // sorted set: account/id of what is done → ms from which it may be forgotten
)

// Not folded from anything:
const (
	keyInstallation = "installation" // whose views these are
	keyBorn         = "born"         // µs at which the memory of this shard's windows and lines began
)

// Folded from the shard's partition of `outcomes` by the runner of its broadcasts:
const (
	keyFolded = "folded" // offset up to which the rows of every broadcast are folded
)

// rowsName names the hash of a broadcast's rows: number → what became of it; sumsName the hash beside it: status → number
// of rows.
func rowsName(r broadcast.Ref) string { return "rows/" + r.String() }
func sumsName(r broadcast.Ref) string { return "sums/" + r.String() }

// broadcastsName names the sorted set of an account's broadcasts, by the time of their creation.
func broadcastsName(account string) string { return "b/" + account }

// importsName names the sorted set of an account's imports, by the time at which they began.
func importsName(account string) string { return "i/" + account }

// auditName names the sorted set of an account's audit, by the entries' places.
func auditName(account string) string { return "au/" + account }

// deliveriesName names the sorted set of a list's deliveries of one status, by the time of the change; dueName the one of those
// that are pending: id → ms of the next attempt.
func deliveriesName(l feed.List, status feed.Status) string {
	return "f/" + l.String() + "/" + string(status)
}
func dueName(l feed.List) string { return "fd/" + l.String() }

// windowName names the sorted set of the calls that a limit still counts; lineName names the end of a line, in µs.
func windowName(key string) string { return "win/" + key }
func lineName(key string) string   { return "line/" + key }

// setName names a set of a list's people on a channel (or "*"): integers, cut by chat.Shards.Subset.
func setName(account, list, channel string, subset int) string {
	return "l/" + account + "/" + list + "/" + channel + "/" + strconv.Itoa(subset)
}

// membersName names the sorted set of a list's people in clear, for pages and search; see member.
func membersName(account, list string) string { return "m/" + account + "/" + list }

// contactsName names the sorted set of an account's contacts, for pages and search; see member. contactSet names a set of those
// that have a tag, a category or an attribute: integers, cut like setName's.
func contactsName(account string) string { return "c/" + account }
func contactSet(account string, by, word string, subset int) string {
	return "c/" + account + "/" + by + "/" + word + "/" + strconv.Itoa(subset)
}

// What contactSet's people have.
const (
	byTag       = "t"
	byCategory  = "k"
	byAttribute = "a"
)

// sentName names a part of the index of messages sent in a period: a message id's hash → what finds its row. Disposable.
func sentName(period int64, part string) string {
	return "x/" + strconv.FormatInt(period, 10) + "/" + part
}

const keySingles = "singles"
func singlesName(period int64, part string) string {
	return "m1/" + strconv.FormatInt(period, 10) + "/" + part
}

// key completes a name.
func (s *Store) key(shard int, name string) string { return s.base(shard) + name }

// base is what stands before every name of a shard.
func (s *Store) base(shard int) string { return s.prefix + "{" + s.tags[shard] + "}" }

const slots = 16384

// tags gives each shard a hash tag whose slot lies in the shard's own part of the slots, so that the shards spread evenly
// over the nodes of a Cluster.
func tags(n chat.Shards) []string {
	found, missing := make([]string, n), int(n)
	for i := 0; missing > 0; i++ {
		tag := strconv.Itoa(i)
		if at := int(crc16(tag)) % slots * int(n) / slots; found[at] == "" {
			found[at] = tag
			missing--
		}
	}
	return found
}

// crc16 is the checksum by which Redis Cluster maps keys to slots (XMODEM).
func crc16(text string) uint16 {
	var crc uint16
	for i := range len(text) {
		crc ^= uint16(text[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
