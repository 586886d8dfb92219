package meta

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"optgate/pipeline/chat"
)

// ErrUnreadable says that a record of inbound holds an item that can't be understood; Salvage may still find who wrote what.
var ErrUnreadable = errors.New("item can't be understood")

// unreadable says why, in words that hold nothing of the item.
func unreadable(why string) error { return fmt.Errorf("%w: %s", ErrUnreadable, why) }

// Decode understands one record of inbound: an envelope with one item, as AppendItems made it. What it has no field for stays in
// Raw, which is the record's own bytes. Its errors hold nothing of the record; each is one of AppendItems's or ErrUnreadable.
func Decode(value []byte) (chat.Inbound, error) {
	items, err := walk(value)
	if err != nil {
		return chat.Inbound{}, err
	}
	if len(items) != 1 {
		return chat.Inbound{}, unreadable("record holds several items")
	}
	in, err := items[0].decode()
	if err != nil {
		return chat.Inbound{}, err
	}
	in.Raw = json.RawMessage(value)
	return in, nil
}

func (f found) decode() (chat.Inbound, error) {
	in := chat.Inbound{Kind: chat.KindUnknown, Platform: f.platform, Field: f.field(), NumberID: f.number()}
	item := members(f.item)
	if item == nil {
		return in, unreadable("item is no object")
	}
	if f.array == "" {
		return in, f.decodeWhole(&in, item)
	}
	in.At = moment(item.text("timestamp"))
	switch f.array {
	case "messages":
		return in, f.decodeMessage(&in, item)
	case "message_echoes":
		f.decodeEcho(&in, item)
	case "statuses":
		f.decodeStatus(&in, item)
	case "user_preferences":
		f.decodePreference(&in, item)
	case "user_id_update":
		return in, decodeUpdate(&in, item)
	case "calls":
		f.decodeCall(&in, item)
	case "state_sync":
		var w who
		contact := item.object("contact")
		w.number(contact.text("phone_number"))
		w.user(contact.text("user_id"))
		w.parent(contact.text("parent_user_id"))
		in.Who, in.Given = w.list()
		in.At = moment(item.object("metadata").text("timestamp"))
	}
	return in, nil
}

// number gives what the item is routed by: its own phone_number_id, page id or Instagram account id.
func (f found) number() string {
	switch {
	case f.list == "":
		return ""
	case f.platform != chat.WhatsApp:
		return f.page()
	case f.array == "":
		value := members(f.item).object("value")
		return first(value.object("metadata").text("phone_number_id"), value.object("recipient").text("phone_number_id"))
	}
	return first(f.value.object("metadata").text("phone_number_id"), f.standby.object("metadata").text("phone_number_id"),
		members(f.item).object("metadata").text("phone_number_id"))
}

// decodeWhole understands what stands in no known array: an event of Messenger or Instagram, or a change as a whole.
func (f found) decodeWhole(in *chat.Inbound, item object) error {
	switch {
	case f.list == "", f.list != "changes" && f.platform == chat.WhatsApp: // no place of items that we know
		return nil
	case f.list != "changes":
		return f.decodeEvent(in, item)
	}
	value := item.object("value")
	if value == nil && (in.Field == "messages" || in.Field == "standby") {
		return unreadable("change holds no object")
	}
	if f.platform != chat.WhatsApp {
		if value.object("sender") != nil {
			return f.decodeEvent(in, value)
		}
		in.At = moment(f.entry.text("time"))
		return nil
	}
	in.At = moment(first(value.text("timestamp"), f.entry.text("time")))
	var w who
	sender := value.object("sender")
	w.number(sender.text("phone_number"))
	w.user(sender.text("user_id"))
	w.parent(sender.text("parent_user_id"))
	in.Who, in.Given = w.list()
	f.decodeNotice(in, value)
	return nil
}

// decodeCall tells who called or was called. A call by a person opens their service window, answered or not.
func (f found) decodeCall(in *chat.Inbound, call object) {
	in.MessageID = call.text("id")
	side := "from"
	if strings.EqualFold(call.text("direction"), "BUSINESS_INITIATED") {
		side = "to"
	}
	w := sides(call, side)
	w.complete(f.contacts)
	in.Who, in.Given = w.list()
	in.Opens = side == "from" && len(in.Who) > 0 && strings.EqualFold(call.text("event"), "connect") && !f.ownNumber(call.text("from"))
}

// sides gives the person on one side of an item: from or to.
func sides(item object, side string) *who {
	var w who
	w.number(item.text(side))
	w.user(item.text(side + "_user_id"))
	w.parent(item.text(side + "_parent_user_id"))
	return &w
}

// first gives the first text that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
