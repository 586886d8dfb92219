package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"optgate/pipeline/broadcast"
)

// deriveAudience keeps each account's list of its audiences, and since when each is of no use, for who forgets.
func deriveAudience(ops []op, key string, old, state []byte) []op {
	ref, ok := broadcast.ParseRef(strings.TrimPrefix(key, "audience/"))
	if !ok {
		return ops
	}
	var a, before broadcast.Audience
	gone := state == nil || json.Unmarshal(state, &a) != nil
	if old != nil && json.Unmarshal(old, &before) == nil && before.Status == broadcast.Ready && a.Status != broadcast.Ready {
		ops = append(ops, op{verb: zRem, name: audiencesName(ref.Account), member: audienceListed(before)})
	}
	switch {
	case gone:
		return append(ops, op{verb: hDel, name: keyAudiences, member: ref.String()})
	case a.Status == broadcast.Ready:
		ops = append(ops, op{verb: zAdd, name: audiencesName(ref.Account), member: audienceListed(a)})
	}
	status := string(a.Status)
	if len(a.Uses) > 0 {
		status = audienceUsed
	}
	value := status + ":" + strconv.FormatInt(audienceSince(a), 10)
	return append(ops, op{verb: hSet, name: keyAudiences, member: ref.String(), value: value})
}

// audienceUsed stands for the status of an audience that a broadcast uses.
const audienceUsed = "used"

// audienceSince gives since when an audience waits for something: for its next page, or to be used; of one that is used, since
// when the broadcast uses it that has for longest, which may never have come to be.
func audienceSince(a broadcast.Audience) int64 {
	if a.Status == broadcast.Arriving {
		return a.Heard
	}
	oldest := a.Unused
	for _, since := range a.Uses {
		if oldest == 0 || since < oldest {
			oldest = since
		}
	}
	return oldest
}

// audienceListed is an audience's place in its account's list: in the order in which they were made, then of ids.
func audienceListed(a broadcast.Audience) string { return fmt.Sprintf("%013d/%s", a.Created, a.ID) }
