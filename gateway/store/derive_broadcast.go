package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"optgate/pipeline/broadcast"
)

// deriveBroadcast keeps the broadcasts that a runner must know, and each account's list of those that exist.
func deriveBroadcast(key string, old, state []byte) []op {
	ref, ok := broadcast.ParseRef(strings.TrimPrefix(key, "broadcast/"))
	if !ok {
		return nil
	}
	member := ref.String()
	var b broadcast.Broadcast
	if state == nil || json.Unmarshal(state, &b) != nil {
		if json.Unmarshal(old, &b) != nil {
			return []op{{verb: hDel, name: keyActive, member: member}}
		}
		return []op{{verb: hDel, name: keyActive, member: member}, {verb: zRem, name: broadcastsName(ref.Account), member: listed(b)}}
	}
	ops := []op{{verb: hSet, name: keyActive, member: member, value: string(b.Status)}}
	if b.Status != broadcast.Collecting {
		ops = append(ops, op{verb: zAdd, name: broadcastsName(ref.Account), member: listed(b)})
	}
	return ops
}

// listed is a broadcast's place in its account's list: in the order of creation, then of ids.
func listed(b broadcast.Broadcast) string { return fmt.Sprintf("%013d/%s", b.Created, b.ID) }
