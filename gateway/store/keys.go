package store

import (
	"strconv"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/feed"
	"optgate/pipeline/sequence"
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
	keyLoose     = "loose"      // hash: keys of files on their way, and of copies at Meta of what is gone → ms of the beginning, or 0
	keyAudits    = "audits"     // set: accounts of the shard that ever had an audit
	keySequences = "sequences"  // hash: sequences that are not forgotten → a text that is another with every change
	keyAudiences = "audiences"  // hash: audiences that are not forgotten → status:ms since which they wait
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

// And, by a follower of its own:
const keySingles = "singles" // next:until: the offset up to which single messages are folded, and from which on they are certain

// Rows of a broadcast: tallyName names the hash of its counts, piecesName the hash of its rows' classes, basketName a hash of what
// is its rows' own; see rows_code.go.
func tallyName(r broadcast.Ref) string  { return "tally/" + r.String() }
func piecesName(r broadcast.Ref) string { return "pieces/" + r.String() }
func basketName(r broadcast.Ref, basket int) string {
	return "row/" + r.String() + "/" + strconv.Itoa(basket)
}

// broadcastsName names the sorted set of an account's broadcasts, by the time of their creation.
func broadcastsName(account string) string { return "b/" + account }

// sequencesName names the sorted set of an account's sequences, by the time of their creation; subscribersName the one of a
// sequence's people in the order of their subscribing; stepsName the one of the same by when something is to be done: pseudonym → ms.
func sequencesName(account string) string   { return "q/" + account }
func subscribersName(r sequence.Ref) string { return "qs/" + r.String() }
func stepsName(r sequence.Ref) string       { return "qd/" + r.String() }

// importsName names the sorted set of an account's imports, by the time at which they began.
func importsName(account string) string { return "i/" + account }

// audiencesName names the sorted set of an account's audiences that are whole, by the time at which they were made.
func audiencesName(account string) string { return "ua/" + account }

// mediaName names the sorted set of the files of an account's library, by the time at which they were added.
func mediaName(account string) string { return "md/" + account }

// auditName names the sorted set of an account's audit, by the entries' places.
func auditName(account string) string { return "au/" + account }

// deliveriesName names the sorted set of a list's deliveries of one status, by the time of the change; dueName the one of those
// that are pending: id → ms of the next attempt.
func deliveriesName(l feed.List, status feed.Status) string {
	return "f/" + l.String() + "/" + string(status)
}
func dueName(l feed.List) string { return "fd/" + l.String() }

// windowName names the sorted set of the calls that a limit still counts; lineName names the end of a line, in µs; slowName
// the hash of how far it is slowed, and since when.
func windowName(key string) string { return "win/" + key }
func lineName(key string) string   { return "line/" + key }
func slowName(key string) string   { return "slow/" + key }

// tierName names the sorted set of the people that a portfolio has reached: pseudonym → µs at which they last were. Beside it
// lie the mark of the memory that counts them, and who counts anew after a loss. Folded from the lanes' intents.
func tierName(account, portfolio string) string        { return "tier/" + account + "/" + portfolio }
func tierMarkName(account, portfolio string) string    { return "tiermark/" + account + "/" + portfolio }
func tierRecountName(account, portfolio string) string { return "tiernew/" + account + "/" + portfolio }

// serviceName names the sorted set of who may be written anything by a channel: identifier → ms of their last message or call.
// It is written by inbound, trimmed to 24 h, and regained by itself.
func serviceName(account, channel string) string { return "w/" + account + "/" + channel }

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

// singlesName names a part of the single messages that were made in a period: a message's hash → what became of it. It expires.
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
