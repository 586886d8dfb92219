package meta

import (
	"cmp"
	"strconv"
	"strings"

	"optgate/pipeline/chat"
)

// decodeNotice understands a change that is about a number, a business account or a template. It goes by what stands in the
// value, since Meta's own samples show some of these under another's field.
func (f found) decodeNotice(in *chat.Inbound, value object) {
	n := chat.Notice{WABA: first(value.object("waba_info").text("waba_id"), f.entry.text("id"))}
	say := func(subject, text, detail string) {
		if text = word(text); text != "" {
			n.Says = append(n.Says, chat.Said{Subject: subject, Value: text, Detail: detail})
		}
	}
	tier := first(value.text("max_daily_conversations_per_business"), value.text("max_daily_conversation_per_phone"))
	switch in.Field {
	case "message_template_status_update", "message_template_quality_update", "template_category_update":
		n.Template, n.Language = value.text("message_template_name"), value.text("message_template_language")
		if len(n.Template) > longestName || len(n.Language) > longestName {
			return
		}
		say(chat.SaysTemplate, value.text("event"), detail(first(value.object("rejection_info").text("reason"), value.text("reason"), value.object("other_info").text("title"))))
		say(chat.SaysTemplateQuality, value.text("new_quality_score"), "")
		say(chat.SaysTemplateCategory, value.text("new_category"), "")
	case "phone_number_quality_update":
		n.Number = digitsOf(value.text("display_phone_number"))
		say(chat.SaysEvent, value.text("event"), "")
		say(chat.SaysTier, first(tier, value.text("current_limit")), "")
	case "business_capability_update":
		say(chat.SaysTier, tier, "")
	case "account_review_update":
		say(chat.SaysReview, value.text("decision"), "")
	case "account_alerts":
		say(chat.SaysAlert, first(value.text("alert_type"), value.text("entity_type")), detail(value.text("alert_severity")))
	case "account_offboarded", "account_reconnected":
		say(chat.SaysAccount, in.Field, "")
	case "account_update":
		say(chat.SaysAccount, value.text("event"), "")
		restrict(&n, value)
	}
	if n.WABA != "" && len(n.WABA) <= longestName && len(n.Says) > 0 {
		in.Kind, in.Notice = chat.KindNotice, &n
	}
}

// restrict adds what an event of a business account says further.
func restrict(n *chat.Notice, value object) {
	if len(n.Says) == 0 {
		return
	}
	said := &n.Says[0]
	if state := value.object("ban_info").text("waba_ban_state"); state != "" {
		said.Detail = word(state)
		return
	}
	restrictions := value.list("restriction_info")
	if info := value.object("restriction_info"); info != nil {
		restrictions = [][]byte{value.get("restriction_info")}
	}
	var kinds []string
	for _, raw := range restrictions[:min(len(restrictions), mostRestrictions)] {
		r := members(raw)
		if kind := word(r.text("restriction_type")); kind != "" {
			kinds = append(kinds, kind)
		}
		if ends := moment(r.text("expiration")); !ends.IsZero() {
			said.Until = max(said.Until, ends.UnixMilli())
		}
	}
	said.Detail = cmp.Or(strings.Join(kinds, ","), word(value.object("violation_info").text("violation_type")))
}

const (
	longestName      = 512 // of a template; Meta's own limit
	longestWord      = 64
	mostRestrictions = 16
)

// word reads one of Meta's words: capitals, digits and underscores; anything else is none.
func word(text string) string {
	text = strings.ToUpper(strings.TrimSpace(text))
	if len(text) > longestWord || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return ""
	}
	return text
}

// detail makes Meta's words for people fit to be kept.
func detail(text string) string {
	if _, err := strconv.Atoi(text); err == nil || strings.EqualFold(text, "NONE") {
		return ""
	}
	return scrub(text)
}
