package broadcast

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Event is the value of a record of events that tells of a broadcast's change of status. Its id is the same in every repeat,
// and another for each change.
type Event struct {
	V         int    `json:"v"`
	ID        string `json:"id"`
	Kind      string `json:"kind"` // EventBroadcast
	Account   string `json:"account"`
	Broadcast string `json:"broadcast"`
	What      string `json:"what"`   // started, paused, resumed, finished or cancelled
	Status    Status `json:"status"` // that it has now
	Channel   string `json:"channel"`
	Code      string `json:"code,omitempty"`   // of a pause
	Reason    string `json:"reason,omitempty"` // of a pause, in one sentence; of another change what somebody said about it
	Audience  int    `json:"audience"`
	At        int64  `json:"at"` // ms since 1970
}

// EventBroadcast is the kind of events of broadcasts.
const EventBroadcast = "broadcast"

// notice is what is posted to a broadcast's webhook URL.
type notice struct {
	Event     string `json:"event"` // broadcast. and what has happened
	Broadcast string `json:"broadcast_id"`
	Status    Status `json:"status"`
	Code      string `json:"code,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Channel   string `json:"channel_id"`
	Audience  int    `json:"audience"`
	At        string `json:"at"` // RFC 3339 in UTC, to the ms
	ID        string `json:"id"` // of the delivery, the same in every attempt
}

// FeedList is the list under whose name the deliveries of a broadcast's webhook URL are kept: no list of an account has a slash.
func (r Ref) FeedList() string { return "broadcast/" + r.ID }

// happened names a change of status.
func happened(from, to Status) string {
	switch {
	case to == Running && from == Planned:
		return "started"
	case from == Paused && !to.Over():
		return "resumed"
	}
	return string(to)
}

// tell makes the event of a change, and the post to the broadcast's webhook URL.
func (b *Broadcast) tell(t *shard.Turn, from Status, reason string, at int64) error {
	e := Event{
		V: stream.Version, ID: b.Ref().String() + "/" + strconv.Itoa(b.Moves), Kind: EventBroadcast, Account: b.Account, Broadcast: b.ID,
		What: happened(from, b.Status), Status: b.Status, Channel: b.Channel, Reason: reason, Audience: b.Audience, At: at,
	}
	if b.Pause != nil {
		e.Code, e.Reason = b.Pause.Code, b.Pause.Reason
	}
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	t.Send(&stream.Record{
		Topic: stream.Events, Partition: stream.AnyPartition, Key: []byte(b.Ref().String()), Value: value,
		Headers: stream.CloudEvent(stream.TypeBroadcast, e.Account, e.ID, e.At),
	})
	if b.WebhookURL == "" {
		return nil
	}
	return b.post(t, e)
}

// post offers an event to the broadcast's webhook URL. The delivery is kept in the broadcast's shard.
func (b *Broadcast) post(t *shard.Turn, e Event) error {
	id := optout.DeliveryID(t.Shard, e.Account, b.Ref().FeedList(), e.ID)
	body, err := json.Marshal(notice{
		Event: EventBroadcast + "." + e.What, Broadcast: b.ID, Status: e.Status, Code: e.Code, Reason: e.Reason, Channel: e.Channel,
		Audience: e.Audience, At: time.UnixMilli(e.At).UTC().Format("2006-01-02T15:04:05.000Z"), ID: id,
	})
	if err != nil {
		return fmt.Errorf("notice: %w", err)
	}
	offer := optout.Offer{
		ID: id, List: b.Ref().FeedList(), At: e.At, Source: EventBroadcast, Notice: &optout.Notice{URL: b.WebhookURL, Body: body},
	}
	c, err := shard.NewCommand(t.ID(0), optout.CommandOffer, e.Account, e.At, optout.Offers{Offers: []optout.Offer{offer}})
	if err != nil {
		return err
	}
	record, err := c.Record(t.Shard)
	if err != nil {
		return err
	}
	t.Send(record)
	return nil
}
