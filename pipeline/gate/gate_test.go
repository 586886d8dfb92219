package gate_test

import (
	"slices"
	"testing"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

func TestWhatAMessageIsCheckedAgainst(t *testing.T) {
	for _, c := range []struct {
		kind     chat.OutboundKind
		category string
		chosen   []string
		want     []string
	}{
		{chat.KindBroadcast, chat.Marketing, []string{"news"}, []string{"blacklist", "news", "default", "meta"}},
		{chat.KindBroadcast, chat.Marketing, []string{"default", "news", "news"}, []string{"blacklist", "default", "news", "meta"}},
		{chat.KindSingle, chat.Marketing, nil, []string{"blacklist", "default", "meta"}},
		{chat.KindBroadcast, chat.Utility, []string{"default", "meta"}, []string{"blacklist", "default"}}, // Meta's switch bars marketing only
		{chat.KindSingle, chat.Authentication, nil, []string{"blacklist"}},
		{chat.KindConfirmation, chat.Marketing, []string{"default"}, []string{"blacklist"}}, // it says that there will be no more
	} {
		if got := gate.Lists(c.kind, c.category, c.chosen); !slices.Equal(got, c.want) {
			t.Errorf("%s of %s with %v: %v, not %v", c.kind, c.category, c.chosen, got, c.want)
		}
	}
}

func TestAnAnswerThatNobodyGaveAllowsNothing(t *testing.T) {
	var none gate.Answer
	if none.Verdict != gate.Unknown || none.Verdict.String() != "unknown" {
		t.Errorf("%v", none.Verdict)
	}
}
