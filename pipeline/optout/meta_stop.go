package optout

import (
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/stream"
)

// RuleStoppedMarketing is the rule of an opt-out that Meta told by its error 131050.
const RuleStoppedMarketing = "131050"

// StoppedAtMeta gives the command that files a message's person on the Meta list, as the account has it, because Meta refused
// the message with error 131050 at that time. Repeats change nothing.
func StoppedAtMeta(n chat.Shards, m chat.Outbound, at time.Time, meta List) (*stream.Record, error) {
	change := Change{
		Who: []Ref{{ID: m.To, P: m.Pseudonym}}, Out: true,
		Marks: []Mark{{
			List: gate.MetaList, Channel: meta.Covers(m.Channel), At: at.UnixMilli(), Source: SourceMeta, Rule: RuleStoppedMarketing,
			Feed: meta.Feeds(true),
		}},
	}
	records, err := change.Records(n, "131050/"+m.ID, m.Account, at.UnixMilli())
	if err != nil {
		return nil, err
	}
	return records[0], nil
}
