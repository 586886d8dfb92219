package meta

import (
	"optgate/pipeline/chat"
)

// page gives the page or Instagram account that an event belongs to. The entry names it; the dashboard's sample has "0"
// there.
func (f found) page() string {
	if id := f.entry.text("id"); id != "" && id != "0" {
		return id
	}
	event := members(f.item)
	if f.list == "changes" {
		event = event.object("value")
	}
	if isTrue(event.object("message").get("is_echo")) {
		return event.object("sender").text("id")
	}
	return event.object("recipient").text("id")
}

// decodeEvent understands an element of messaging or standby on Messenger and Instagram.
func (f found) decodeEvent(in *chat.Inbound, event object) error {
	in.At = moment(first(event.text("timestamp"), f.entry.text("time")))
	message := event.object("message")
	person := "sender"
	if isTrue(message.get("is_echo")) {
		person = "recipient"
	}
	if id := event.object(person).text("id"); id != "" {
		in.Who, in.Given = []chat.Identifier{f.scoped(in.NumberID, id)}, id
	}
	switch edit, postback := event.object("message_edit"), event.object("postback"); {
	case garbled(message.get("text")), garbled(edit.get("text")), garbled(postback.get("title")), garbled(postback.get("payload")),
		garbled(message.object("quick_reply").get("payload")):
		return unreadable("message holds its text in a form that is not known")
	case message != nil:
		decodeChat(in, message)
	case edit != nil:
		said(in, "edit", edit.text("mid"), edit.text("text"))
	case postback != nil:
		said(in, "postback", postback.text("mid"), postback.text("title"), postback.text("payload"))
	case event.object("reaction") != nil:
		in.Kind, in.Type = chat.KindMessage, "reaction"
		in.MessageID = event.object("reaction").text("mid")
	case !isNull(event.get("message")) || !isNull(event.get("postback")) || !isNull(event.get("message_edit")):
		return unreadable("message is no object")
	default:
		decodeSign(in, event)
	}
	if in.Kind == chat.KindMessage && len(in.Who) == 0 {
		return unreadable("message names no sender")
	}
	in.Opens = in.Acts || in.Type == "unsupported"
	return nil
}

// scoped gives a person's identifier, which is theirs towards this page or account alone.
func (f found) scoped(page, id string) chat.Identifier {
	if f.platform == chat.Instagram {
		return chat.Identifier(chat.KindIGSID + ":" + page + "/" + id)
	}
	return chat.Identifier(chat.KindPSID + ":" + page + "/" + id)
}

func said(in *chat.Inbound, kind, id string, texts ...string) {
	in.Kind, in.Type, in.MessageID, in.Acts = chat.KindMessage, kind, id, true
	in.Texts = distinct(texts)
}

// decodeChat understands a message of Messenger or Instagram. An echo is the business's own; a deleted one says nothing.
func decodeChat(in *chat.Inbound, m object) {
	kind := "text"
	switch attachments := m.list("attachments"); {
	case m.object("quick_reply") != nil:
		kind = "quick_reply"
	case len(attachments) > 0 && m.text("text") == "":
		kind = members(attachments[0]).text("type")
	}
	said(in, kind, m.text("mid"), m.text("text"), m.object("quick_reply").text("payload"))
	switch {
	case isTrue(m.get("is_echo")):
		in.Acts, in.Texts = false, nil
	case isTrue(m.get("is_deleted")):
		in.Acts, in.Type = false, "unsend"
	case isTrue(m.get("is_unsupported")):
		in.Acts, in.Type = false, "unsupported"
	}
}

// decodeSign understands what is no message: receipts, and the switch for a page's marketing.
func decodeSign(in *chat.Inbound, event object) {
	delivery, read, optin := event.object("delivery"), event.object("read"), event.object("optin")
	switch {
	case delivery != nil:
		in.Kind, in.Receipt = chat.KindReceipt, &chat.Receipt{Status: "delivered"}
		if mids := delivery.list("mids"); len(mids) > 0 {
			in.MessageID = scalar(mids[0])
		}
	case read != nil:
		in.Kind, in.Receipt = chat.KindReceipt, &chat.Receipt{Status: "read"}
		in.MessageID = read.text("mid")
	case optin != nil:
		status := optin.text("notification_messages_status")
		if status == "STOP_NOTIFICATIONS" || status == "RESUME_NOTIFICATIONS" {
			in.Kind = chat.KindPreference
			in.Preference = &chat.Preference{Category: optin.text("type"), Stop: status == "STOP_NOTIFICATIONS"}
		}
	}
}
