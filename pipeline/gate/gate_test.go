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
		{chat.KindBroadcast, chat.Marketing, []string{"news"}, []string{"news", "default", "meta"}},
		{chat.KindBroadcast, chat.Marketing, []string{"default", "news", "news"}, []string{"default", "news", "meta"}},
		{chat.KindSingle, chat.Marketing, nil, []string{"default", "meta"}},
		{chat.KindBroadcast, chat.Utility, []string{"default", "meta"}, []string{"default"}}, // Meta's switch bars marketing only
		{chat.KindSingle, chat.Authentication, nil, nil},
		{chat.KindConfirmation, chat.Marketing, []string{"default"}, nil}, // it says that there will be no more
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
