package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"optgate/pipeline/media"
	"optgate/pipeline/shard"
)

// deriveMedia keeps each account's list of its files.
func deriveMedia(ops []op, old, state []byte) []op {
	var m, before media.Media
	if old != nil && json.Unmarshal(old, &before) == nil && state == nil {
		return append(ops, op{verb: zRem, name: mediaName(before.Account), member: mediaListed(before)})
	}
	if state == nil || json.Unmarshal(state, &m) != nil {
		return ops
	}
	return append(ops, op{verb: zAdd, name: mediaName(m.Account), member: mediaListed(m)})
}

// mediaListed is a file's place in its account's list: in the order in which they were added, then of ids.
func mediaListed(m media.Media) string { return fmt.Sprintf("%013d/%s", m.Added, m.ID) }

// deriveLoose keeps what the tender of libraries has to see to: files on their way, and copies at Meta of what is gone.
func deriveLoose(ops []op, key string, state []byte) []op {
	if state == nil {
		return append(ops, op{verb: hDel, name: keyLoose, member: key})
	}
	var of struct {
		Made int64 `json:"made"`
	}
	if json.Unmarshal(state, &of) != nil {
		return ops
	}
	return append(ops, op{verb: hSet, name: keyLoose, member: key, value: strconv.FormatInt(of.Made, 10)})
}

// looseOf gives account and name of a state's key.
func looseOf(key string) (family, account, name string) {
	family = shard.Family(key)
	account, name, _ = strings.Cut(strings.TrimPrefix(key, family+"/"), "/")
	return family, account, name
}
