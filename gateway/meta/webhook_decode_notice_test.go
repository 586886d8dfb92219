package meta_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
)

func TestNoticesAreUnderstoodInAllWritings(t *testing.T) {
	for name, c := range map[string]struct {
		field, value string
		number       string
		says         []chat.Said
	}{
		"a tier in words":       {"phone_number_quality_update", `{"display_phone_number":"1 555 014 0001","event":"UPGRADE","current_limit":"TIER_10K"}`, "15550140001", []chat.Said{{Subject: "event", Value: "UPGRADE"}, {Subject: "tier", Value: "TIER_10K"}}},
		"a tier in digits":      {"business_capability_update", `{"max_daily_conversation_per_phone":1000}`, "", []chat.Said{{Subject: "tier", Value: "1000"}}},
		"unlimited":             {"business_capability_update", `{"max_daily_conversations_per_business":-1}`, "", []chat.Said{{Subject: "tier", Value: "-1"}}},
		"a flag":                {"phone_number_quality_update", `{"display_phone_number":"15550140001","event":"FLAGGED","current_limit":"TIER_NOT_SET"}`, "15550140001", []chat.Said{{Subject: "event", Value: "FLAGGED"}, {Subject: "tier", Value: "TIER_NOT_SET"}}},
		"a restriction":         {"account_update", `{"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_ADD_PHONE_NUMBER_ACTION"},{"restriction_type":"RESTRICTED_BIZ_INITIATED_MESSAGING","expiration":"1794300903"}]}`, "", []chat.Said{{Subject: "account", Value: "ACCOUNT_RESTRICTION", Detail: "RESTRICTED_ADD_PHONE_NUMBER_ACTION,RESTRICTED_BIZ_INITIATED_MESSAGING", Until: 1794300903000}}},
		"one restriction":       {"account_update", `{"event":"ACCOUNT_RESTRICTION","restriction_info":{"restriction_type":"RESTRICTED_BIZ_INITIATED_MESSAGING","expiration":1794300903}}`, "", []chat.Said{{Subject: "account", Value: "ACCOUNT_RESTRICTION", Detail: "RESTRICTED_BIZ_INITIATED_MESSAGING", Until: 1794300903000}}},
		"a violation":           {"account_update", `{"event":"ACCOUNT_VIOLATION","violation_info":{"violation_type":"SCAM"}}`, "", []chat.Said{{Subject: "account", Value: "ACCOUNT_VIOLATION", Detail: "SCAM"}}},
		"a review":              {"account_review_update", `{"decision":"rejected"}`, "", []chat.Said{{Subject: "review", Value: "REJECTED"}}},
		"an alert":              {"account_alerts", `{"entity_type":"WABA","alert_type":"OBA_APPROVED","alert_severity":"INFORMATIONAL"}`, "", []chat.Said{{Subject: "alert", Value: "OBA_APPROVED", Detail: "INFORMATIONAL"}}},
		"offboarded":            {"account_offboarded", `{"event":"anything"}`, "", []chat.Said{{Subject: "account", Value: "ACCOUNT_OFFBOARDED"}}},
		"offboarded as event":   {"account_update", `{"event":"account_offboarded"}`, "", []chat.Said{{Subject: "account", Value: "ACCOUNT_OFFBOARDED"}}},
		"reconnected":           {"account_reconnected", `{}`, "", []chat.Said{{Subject: "account", Value: "ACCOUNT_RECONNECTED"}}},
		"quality, wrong field":  {"message_template_status_update", `{"previous_quality_score":"GREEN","new_quality_score":"RED","message_template_name":"offer","message_template_language":"en"}`, "", []chat.Said{{Subject: "template_quality", Value: "RED"}}},
		"a reason with a phone": {"message_template_status_update", `{"event":"PAUSED","message_template_name":"offer","message_template_language":"en","reason":"see +44 7700 900101"}`, "", []chat.Said{{Subject: "template", Value: "PAUSED", Detail: "see …"}}},
		"nothing known":         {"account_update", `{"event":{"a":1}}`, "", nil},
		"another field":         {"security", `{"event":"PIN_CHANGED"}`, "", nil},
		"no object":             {"account_update", `"DISABLED_UPDATE"`, "", nil},
	} {
		in, err := meta.Decode([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"204700000000001","time":1794300503,"changes":[{"field":"` + c.field + `","value":` + c.value + `}]}]}`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.says == nil {
			if in.Notice != nil || in.Kind != chat.KindUnknown {
				t.Errorf("%s: %+v", name, in.Notice)
			}
			continue
		}
		if in.Notice == nil || in.Notice.WABA != "204700000000001" || in.Notice.Number != c.number || in.Kind != chat.KindNotice {
			t.Errorf("%s: %+v", name, in.Notice)
			continue
		}
		if diff := cmp.Diff(c.says, in.Notice.Says); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
