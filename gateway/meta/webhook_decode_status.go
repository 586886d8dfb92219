package meta

import (
	"strconv"
	"strings"

	"optgate/pipeline/chat"
)

// StoppedMarketing is Meta's error code for a person who has stopped marketing messages inside WhatsApp.
const StoppedMarketing = 131050

// decodeStatus understands an element of statuses: what became of a message of ours. Those of calls are no receipts.
func (f found) decodeStatus(in *chat.Inbound, s object) {
	w := f.recipient(s)
	w.complete(f.contacts)
	in.Who, in.Given = w.list()
	in.MessageID = s.text("id")
	if in.Field == "calls" || s.text("type") == "call" {
		return
	}
	in.Kind = chat.KindReceipt
	in.Receipt = &chat.Receipt{Status: s.text("status"), Callback: s.text("biz_opaque_callback_data")}
	for _, raw := range s.list("errors") {
		e := members(raw)
		code, err := strconv.Atoi(e.text("code"))
		if err != nil || in.Receipt.Code != 0 && code != StoppedMarketing {
			continue
		}
		in.Receipt.Code, in.Receipt.Detail = code, scrub(first(e.text("title"), e.text("message")))
	}
}

// recipient gives whom a status concerns: in a group one of its participants, else the recipient. The parent stands under
// three names in Meta's own examples.
func (f found) recipient(s object) *who {
	var w who
	if s.text("recipient_type") == "group" {
		w.number(first(s.text("recipient_participant_id"), s.text("participant_recipient_id")))
		w.user(s.text("recipient_participant_user_id"))
		w.parent(s.text("recipient_participant_parent_user_id"))
		return &w
	}
	w.number(s.text("recipient_id"))
	w.user(s.text("recipient_user_id"))
	for _, name := range []string{"recipient_parent_user_id", "parent_recipient_user_id", "parent_user_id"} {
		w.parent(s.text(name))
	}
	return &w
}

// decodePreference understands an element of user_preferences: Meta's own switch for marketing.
func (f found) decodePreference(in *chat.Inbound, p object) {
	var w who
	w.number(p.text("wa_id"))
	w.user(p.text("user_id"))
	w.parent(p.text("parent_user_id"))
	w.complete(f.contacts)
	in.Who, in.Given = w.list()
	value := strings.ToLower(p.text("value"))
	if value != "stop" && value != "resume" {
		return
	}
	in.Kind = chat.KindPreference
	in.Preference = &chat.Preference{Category: p.text("category"), Stop: value == "stop"}
}
