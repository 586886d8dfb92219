package inbound

import (
	"encoding/json"
	"fmt"
	"strconv"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// Event is the value of a record of events that tells of one item of a webhook: what it is and what was done about it.
// It is the customers' own data and shows everything. Its id is the same whenever Meta delivers the item again.
type Event struct {
	V         int            `json:"v"`
	ID        string         `json:"id"`
	Kind      string         `json:"kind"`              // EventItem
	Account   string         `json:"account,omitempty"` // "" where the item concerns no number
	Channel   string         `json:"channel,omitempty"`
	Pseudonym chat.Pseudonym `json:"pseudonym,omitempty"` // of the first of the item's Who
	Received  int64          `json:"received"`            // ms since 1970
	At        int64          `json:"at"`                  // ms since 1970: the time that decides
	Item      chat.Inbound   `json:"item"`
	Done      Done           `json:"done"`
}

// EventItem is the kind of an Event.
const EventItem = "item"

// Done is what was done about an item. Whether it changed anything is told by the owners' own events.
type Done struct {
	Change   string   `json:"change,omitempty"` // out or in
	Lists    []string `json:"lists,omitempty"`  // that the change is asked of
	Linked   bool     `json:"linked,omitempty"` // the identifiers are one person's
	Reported bool     `json:"reported,omitempty"`
	Salvaged bool     `json:"salvaged,omitempty"` // out of a record that can't be decoded
}

// largestEvent leaves room for an event's or fact's record below what its topic takes.
const largestEvent = 3 << 20

// event tells of an item.
func (h *Handler) event(it *item) *stream.Record {
	e := Event{
		V: stream.Version, Kind: EventItem, Account: it.channel.Account, Channel: it.channel.ID,
		Received: it.received.UnixMilli(), At: it.at.UnixMilli(), Item: it.in,
		Done: Done{Change: it.change, Lists: it.lists, Linked: it.linked, Reported: it.reported, Salvaged: it.salvaged},
	}
	of := e.Account + "/"
	if len(it.in.Who) > 0 && it.known != nil {
		e.Pseudonym = it.who[0].P
		of += e.Pseudonym.String()
	}
	if it.known != nil && (it.in.MessageID != "" || len(it.in.Who) > 0) {
		e.ID = it.id("event")
	} else {
		e.ID = "inbound." + strconv.Itoa(it.record.Partition) + "." + strconv.FormatInt(it.record.Offset, 10)
	}
	value := e.AppendJSON(make([]byte, 0, len(e.Item.Raw)+eventSize))
	if len(value) > largestEvent {
		e.Item.Raw, e.Item.Texts = nil, nil // they stay in inbound
		value = e.AppendJSON(nil)
	}
	if len(value) > largestEvent { // then it is none of Meta's, and its record must fit all the same
		e.Item = chat.Inbound{Kind: it.in.Kind, Platform: it.in.Platform}
		value = e.AppendJSON(nil)
	}
	return &stream.Record{Topic: stream.Events, Partition: stream.AnyPartition, Key: []byte(of), Value: value,
		Headers: stream.CloudEvent(stream.TypeItem, e.Account, e.ID, e.At)}
}

// fact gives what a receipt tells about a message of ours; ok is false where it is no receipt, or not for one of ours.
func (h *Handler) fact(it *item) (fact chat.Fact, ok bool) {
	receipt := it.in.Receipt
	if it.in.Kind != chat.KindReceipt || receipt == nil {
		return fact, false
	}
	account, broadcast, row, id, ok := chat.ParseCallback(receipt.Callback)
	if !ok || account != it.channel.Account {
		return fact, false
	}
	fact = chat.Fact{
		V: stream.Version, ID: id, Account: account, Broadcast: broadcast, Row: row,
		MessageID: it.in.MessageID, At: it.at.UnixMilli(),
	}
	switch receipt.Status {
	case "sent":
		fact.Status = chat.Sent
	case "delivered":
		fact.Status = chat.Delivered
	case "read", "played":
		fact.Status = chat.Read
	case "failed":
		fact.Status = chat.Failed
		fact.Error, fact.Code = fmt.Sprintf("%d %s", receipt.Code, receipt.Detail), receipt.Code
	default:
		return fact, false
	}
	it.reported = true
	return fact, true
}

// report writes a fact for its report.
func (h *Handler) report(fact chat.Fact) (*stream.Record, error) {
	value, err := json.Marshal(fact)
	if err == nil && len(value) > largestEvent {
		fact.MessageID, fact.Error = "", ""
		value, err = json.Marshal(fact)
	}
	if err != nil {
		return nil, fmt.Errorf("fact: %w", err)
	}
	return &stream.Record{
		Topic: stream.Outcomes, Partition: h.Shards.Outcomes(fact.Account, fact.Broadcast, fact.ID), Key: []byte(fact.Broadcast), Value: value,
		Headers: fact.Headers(),
	}, nil
}
