package store

import (
	"encoding/json"
	"fmt"
	"strconv"

	"optgate/pipeline/feed"
)

// deriveDelivery keeps what a list has to post, by the time of the next attempt; its pages, by status; and what may be
// forgotten.
func deriveDelivery(ops []op, key string, old, state []byte) []op {
	ref, err := feed.ParseKey(key)
	if err != nil {
		return ops // nobody but feed.Ref makes such keys
	}
	var before, now feed.Delivery
	was := old != nil && json.Unmarshal(old, &before) == nil
	is := state != nil && json.Unmarshal(state, &now) == nil
	if was && (!is || before.Status != now.Status) {
		list := feed.List{Account: ref.Account, ID: before.List}
		ops = append(ops, op{verb: zRem, name: deliveriesName(list, before.Status), member: delivered(before)})
		if before.Status == feed.Pending {
			ops = append(ops, op{verb: zRem, name: dueName(list), member: ref.ID})
		} else {
			ops = append(ops, op{verb: zRem, name: keyOld, member: ref.String()})
		}
	}
	if !is {
		return ops
	}
	list := feed.List{Account: ref.Account, ID: now.List}
	ops = append(ops, op{verb: zAdd, name: deliveriesName(list, now.Status), member: delivered(now)})
	if now.Status == feed.Pending {
		return append(ops, op{verb: zAdd, name: dueName(list), member: ref.ID, value: strconv.FormatInt(now.Next, 10)},
			op{verb: sAdd, name: keyFeeds, member: list.String()}) // last: who finds the set empty takes the list out
	}
	return append(ops, op{verb: zAdd, name: keyOld, member: ref.String(), value: strconv.FormatInt(now.KeptUntil(), 10)})
}

// delivered is a delivery's place in its list's pages: in the order of changes, then of ids.
func delivered(d feed.Delivery) string { return fmt.Sprintf("%013d/%s", d.Made, d.ID) }
