package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
	"optgate/pipeline/feed"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

const (
	replaySome   = 1000            // deliveries asked to be replayed at once
	replayWithin = 8 * time.Second // of one call: who has more calls again
)

// replayDelivery answers POST /v1/optout-lists/{list}/deliveries/{id}/replay: it is due now, with another day before it.
func (a *API) replayDelivery(c *call) error {
	account, l, d, err := a.deliveryOf(c)
	if err != nil {
		return err
	}
	if l.WebhookURL == "" {
		return noWebhookURL()
	}
	id, _, err := a.once(c, account, nil)
	if err != nil {
		return err
	}
	if _, sure, err := a.replay(c, id+".replay", []string{d.ID}); err != nil || !sure {
		return orAccepted(c, id, err)
	}
	if d, err = a.Feed.Deliveries.Delivery(c.ctx, d.Ref()); err != nil || d == nil {
		return orAccepted(c, id, err)
	}
	return c.answer(fasthttp.StatusOK, viewDelivery(d))
}

// orAccepted answers that a command is kept and not decided yet, if there is no error.
func orAccepted(c *call, id string, err error) error {
	if err != nil {
		return err
	}
	return accepted(c, id)
}

// replayDeliveries answers POST /v1/optout-lists/{list}/deliveries/replay: all of one status, as many as can be asked for in
// one call. more says that there are others.
func (a *API) replayDeliveries(c *call) error {
	account, l, err := a.listOf(c)
	if err != nil {
		return err
	}
	if l.WebhookURL == "" {
		return noWebhookURL()
	}
	var wanted struct {
		Status string `json:"status"`
	}
	body, err := c.read(smallBody, &wanted)
	if err != nil {
		return err
	}
	status, err := deliveryStatus("status", wanted.Status)
	if err != nil || status == feed.Pending {
		return wrongField(fault.Unprocessable, "status", "unknown_status", "is dead, dropped or delivered")
	}
	id, again, err := a.once(c, account, body)
	if err != nil {
		return err
	}
	list := feed.List{Account: c.account, ID: l.ID}
	var answer replayedView
	if again {
		if answer.Replayed, err = a.replayedBefore(c, id); err != nil {
			return err
		}
		if answer.Replayed > 0 {
			rest, _, err := a.Feed.Deliveries.Deliveries(c.ctx, list, []feed.Status{status}, "", 1)
			if err != nil {
				return err
			}
			answer.More = len(rest) > 0
			return c.answer(fasthttp.StatusOK, answer)
		}
	}
	until := time.Now().Add(replayWithin)
	for page, after := 0, ""; ; page++ {
		found, next, err := a.Feed.Deliveries.Deliveries(c.ctx, list, []feed.Status{status}, after, replaySome)
		if err != nil {
			return err
		}
		ids := make([]string, len(found))
		for i := range found {
			ids[i] = found[i].ID
		}
		n, sure, err := a.replay(c, replayID(id, page), ids)
		if err != nil {
			return err
		}
		answer.Replayed += n
		if after = next; next == "" || !sure || time.Now().After(until) {
			answer.More = next != "" || !sure
			return c.answer(fasthttp.StatusOK, answer)
		}
	}
}

// replayedView says how many deliveries are tried anew.
type replayedView struct {
	Replayed int  `json:"replayed"`
	More     bool `json:"more"`
}

// replayID names the commands of one page of a call.
func replayID(id string, page int) string { return fmt.Sprintf("%s.replay.%d", id, page) }

// replayedBefore gives how many a call under the same key has replayed before.
func (a *API) replayedBefore(c *call, id string) (replayed int, err error) {
	for page, found := 0, true; found; page++ {
		found = false
		for at := range int(a.Shards) {
			said, err := a.States.States(c.ctx, at, shard.AnswerKey(replayID(id, page)))
			if err != nil {
				return 0, err
			}
			if said[0] == nil {
				continue
			}
			var answer shard.Answer
			if err := json.Unmarshal(said[0], &answer); err != nil {
				return 0, fmt.Errorf("answer to a replay: %w", err)
			}
			some, err := valueOf[feed.Replayed](&answer)
			if err != nil {
				return 0, err
			}
			found, replayed = true, replayed+some.Replayed
		}
	}
	return replayed, nil
}

// replay asks the shards of deliveries to try them anew, and gives how many are. sure says that all shards have decided.
func (a *API) replay(c *call, command string, ids []string) (replayed int, sure bool, err error) {
	byShard := map[int][]string{}
	for _, id := range ids {
		at, err := optout.DeliveryShard(id)
		if err != nil {
			return 0, false, err
		}
		byShard[at] = append(byShard[at], id)
	}
	shards, offsets := slices.Sorted(maps.Keys(byShard)), map[int]int64{}
	for _, at := range shards {
		asked, err := feed.ReplayCommand(command, c.account, byShard[at], a.Now().UnixMilli())
		if err != nil {
			return 0, false, err
		}
		if offsets[at], err = a.publish(c.ctx, at, asked); err != nil {
			return 0, false, err
		}
	}
	sure = true
	for _, at := range shards {
		answer, err := a.decided(c.ctx, at, offsets[at], command)
		if err != nil {
			return replayed, false, err
		}
		if answer == nil {
			sure = false
			continue
		}
		said, err := valueOf[feed.Replayed](answer)
		if err != nil {
			return replayed, false, err
		}
		replayed += said.Replayed
	}
	return replayed, sure, nil
}
