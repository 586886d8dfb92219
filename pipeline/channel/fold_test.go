package channel_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
)

const shards = chat.Shards(4)

// world is the shard of account acme, in memory: the states that the rules fold.
type world struct {
	t      *testing.T
	states map[string][]byte
	offset int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, states: map[string][]byte{}}
}

// channels are acme's: two of one business account, in one portfolio with a third.
var channels = []chat.Channel{
	{Account: "acme", ID: "wa", Kind: chat.WhatsApp, Business: "1", Portfolio: "p"},
	{Account: "acme", ID: "wa2", Kind: chat.WhatsApp, Business: "1", Portfolio: "p"},
	{Account: "acme", ID: "far", Kind: chat.WhatsApp, Business: "2", Portfolio: "p"},
}

func (w *world) hear(at int64, by string, n chat.Notice, of ...chat.Channel) {
	w.t.Helper()
	c, err := channel.NewNotice(fmt.Sprint("n", w.offset), 1, at, by, n, of)
	if err != nil {
		w.t.Fatal(err)
	}
	place := shard.Place{Shards: shards, Shard: shards.Account("acme"), Offset: w.offset}
	w.offset++
	rule := channel.Rules()[c.Kind]
	keys, err := rule.Keys(place, c)
	if err != nil {
		w.t.Fatal(err)
	}
	loaded := map[string][]byte{}
	for _, key := range keys {
		loaded[key] = w.states[key]
	}
	turn := shard.NewTurn(place, loaded, nil)
	if err := rule.Apply(turn, c); err != nil {
		w.t.Fatal(err)
	}
	changed, rows, effects := turn.Said()
	if len(rows)+len(effects) > 0 {
		w.t.Errorf("%s says more than states", c.Kind)
	}
	maps.Copy(w.states, changed)
}

// says is a notice with one thing said, of a number where display isn't "".
func says(display, subject, value, detail string) chat.Notice {
	return chat.Notice{WABA: "1", Number: display, Says: []chat.Said{{Subject: subject, Value: value, Detail: detail}}}
}

func template(name, subject, value string) chat.Notice {
	n := says("", subject, value, "")
	n.Template, n.Language = name, "en"
	return n
}

func (w *world) condition(id string) (c channel.Condition) {
	w.t.Helper()
	if raw := w.states[channel.Key("acme", id)]; raw != nil {
		if err := json.Unmarshal(raw, &c); err != nil {
			w.t.Fatal(err)
		}
	}
	var p channel.Portfolio
	if raw := w.states[channel.PortfolioKey("acme", "p")]; raw != nil {
		if err := json.Unmarshal(raw, &p); err != nil {
			w.t.Fatal(err)
		}
	}
	c.Join(p)
	return c.At(1_000_000)
}

func (w *world) bar(id string) string {
	if c := w.condition(id); c.Barred != nil {
		return c.Barred.Code
	}
	return ""
}

func TestOrderAndRepeatsOfNoticesDoNotMatter(t *testing.T) {
	type told struct {
		at int64
		n  chat.Notice
	}
	all := []told{
		{10, says("", chat.SaysTier, "TIER_250", "")}, {20, says("155", chat.SaysTier, "2000", "")}, {15, says("", chat.SaysTier, "TIER_10K", "")},
		{20, says("", chat.SaysTier, "TIER_NOT_SET", "")},
		{10, says("", chat.SaysAccount, "DISABLED_UPDATE", "DISABLE")}, {11, says("", chat.SaysAccount, "DISABLED_UPDATE", "REINSTATE")},
		{12, says("", chat.SaysAccount, "PARTNER_REMOVED", "")}, {12, says("", chat.SaysAccount, "PARTNER_ADDED", "")},
		{5, says("", chat.SaysReview, "REJECTED", "")}, {6, says("", chat.SaysReview, "APPROVED", "")},
		{30, says("155", chat.SaysEvent, "FLAGGED", "")}, {31, says("155", chat.SaysEvent, "UNFLAGGED", "")}, {29, says("155", chat.SaysEvent, "DOWNGRADE", "")},
		{7, says("155", chat.SaysEvent, "THROUGHPUT_UPGRADE", "")}, {8, says("", chat.SaysAlert, "OBA_APPROVED", "")},
	}
	for n := range 6 {
		for at, status := range []string{"APPROVED", "PAUSED", "APPROVED", "REJECTED"} {
			all = append(all, told{int64(at + n%2), template(fmt.Sprint("offer", n), chat.SaysTemplate, status)})
		}
		all = append(all, told{int64(n + 1), template("offer1", chat.SaysTemplateQuality, []string{"GREEN", "RED", "YELLOW"}[n%3])})
	}
	for i := range all {
		all[i].at++ // 0 is no time
	}
	var first map[string][]byte
	for range 60 {
		w := newWorld(t)
		for _, i := range rand.Perm(len(all)) {
			for range 1 + rand.IntN(2) {
				w.hear(all[i].at, channel.ByWebhook, all[i].n, channels[0])
			}
		}
		if first == nil {
			first = w.states
		} else if diff := cmp.Diff(first, w.states); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestWhatStandsInTheWayOfAChannel(t *testing.T) {
	for _, c := range []struct {
		n    chat.Notice
		want string
	}{
		{says("", chat.SaysAccount, "DISABLED_UPDATE", "DISABLE"), channel.CodeDisabled},
		{says("", chat.SaysAccount, "DISABLED_UPDATE", "SCHEDULE_FOR_DISABLE"), ""},
		{says("", chat.SaysAccount, "DISABLED_UPDATE", "REINSTATE"), ""},
		{says("", chat.SaysAccount, "ACCOUNT_DELETED", ""), channel.CodeDeleted},
		{says("", chat.SaysAccount, "ACCOUNT_OFFBOARDED", ""), channel.CodeOffboarded},
		{says("", chat.SaysAccount, "PARTNER_REMOVED", ""), channel.CodeAccess},
		{says("", chat.SaysAccount, "ACCOUNT_RESTRICTION", "RESTRICTED_ADD_PHONE_NUMBER_ACTION"), ""},
		{says("", chat.SaysAccount, "ACCOUNT_RESTRICTION", "RESTRICTED_ADD_PHONE_NUMBER_ACTION,RESTRICTED_BIZ_INITIATED_MESSAGING"), channel.CodeRestricted},
		{says("", chat.SaysAccount, "ACCOUNT_VIOLATION", "SPAM"), ""},
		{says("", chat.SaysReview, "REJECTED", ""), channel.CodeRejected},
		{says("", chat.SaysStatus, "BANNED", ""), channel.CodeNumber},
		{says("", chat.SaysStatus, "CONNECTED", ""), ""},
		{says("", chat.SaysToken, channel.TokenRefused, ""), channel.CodeToken},
		{says("", chat.SaysToken, channel.TokenGood, ""), ""},
		{says("", "a word that Meta adds later", "X", ""), ""},
	} {
		w := newWorld(t)
		w.hear(5, channel.ByWebhook, c.n, channels[0], channels[1])
		w.hear(6, channel.ByWebhook, says("", chat.SaysAccount, "MM_LITE_TERMS_SIGNED", ""), channels[0], channels[1]) // hides nothing
		if got := w.bar("wa"); got != c.want || w.bar("wa2") != c.want || w.bar("far") != "" {
			t.Errorf("%+v: %q, want %q", c.n.Says, got, c.want)
		}
	}
}

func TestWhatStoodInTheWayIsLifted(t *testing.T) {
	w := newWorld(t)
	step := int64(0)
	is := func(want string, n chat.Notice) {
		t.Helper()
		step++
		w.hear(step, channel.ByWebhook, n, channels[0])
		if got := w.bar("wa"); got != want {
			t.Errorf("after %+v: %q, want %q", n.Says, got, want)
		}
	}
	is(channel.CodeOffboarded, says("", chat.SaysAccount, "ACCOUNT_OFFBOARDED", ""))
	is(channel.CodeDisabled, says("", chat.SaysAccount, "DISABLED_UPDATE", "DISABLE"))
	is(channel.CodeDisabled, says("", chat.SaysAccount, "ACCOUNT_RECONNECTED", ""))
	is("", says("", chat.SaysAccount, "DISABLED_UPDATE", "REINSTATE"))
	is(channel.CodeToken, says("", chat.SaysToken, channel.TokenRefused, ""))
	is("", says("", chat.SaysToken, channel.TokenGood, ""))
}

func TestATierIsThatOfAllNumbersOfThePortfolio(t *testing.T) {
	w := newWorld(t)
	w.hear(1, channel.ByGraph, says("", chat.SaysTier, "TIER_2K", ""), channels[0])
	w.hear(1, channel.ByGraph, says("", chat.SaysQuality, "GREEN", ""), channels[2])
	for _, id := range []string{"wa", "far"} {
		if c := w.condition(id); c.Tier != 2000 || c.Portfolio != "p" {
			t.Errorf("%s: %d of %q", id, c.Tier, c.Portfolio)
		}
	}
	moved := channels[0]
	moved.Portfolio = "q"
	if w.hear(1, channel.ByGraph, says("", chat.SaysTier, "TIER_250", ""), moved); w.condition("wa").Portfolio != "q" {
		t.Error("a channel that is declared in another portfolio stays in the first")
	}
}

func TestANumberIsKnownByItsDigits(t *testing.T) {
	upgrade := says("15550140001", chat.SaysEvent, "THROUGHPUT_UPGRADE", "")
	w := newWorld(t)
	w.hear(1, channel.ByGraph, says("", chat.SaysDisplay, "15550140001", ""), channels[0])
	w.hear(2, channel.ByWebhook, upgrade, channels[0], channels[1])
	if a, b := w.condition("wa"), w.condition("wa2"); a.Rate != 1000 || b.Rate != 0 || b.UpgradeAt != 2 {
		t.Errorf("known %+v, not known %+v", a, b) // the other may be it: Graph is asked
	}
	w.hear(3, channel.ByGraph, says("", chat.SaysDisplay, "15550140002", ""), channels[1])
	w.hear(4, channel.ByWebhook, upgrade, channels[0], channels[1])
	if b := w.condition("wa2"); b.Rate != 0 || b.UpgradeAt != 2 {
		t.Errorf("another number: %+v", b)
	}
	only := newWorld(t)
	only.hear(2, channel.ByWebhook, upgrade, channels[2])
	if c := only.condition("far"); c.Rate != 1000 {
		t.Errorf("the only one: %+v", c)
	}
	only.hear(3, channel.ByGraph, says("", chat.SaysDisplay, "15550140003", ""), channels[2])
	only.hear(4, channel.ByWebhook, says("15550140009", chat.SaysEvent, "FLAGGED", ""), channels[2])
	if c := only.condition("far"); c.Bars("", "", 0) != nil || c.UpgradeAt != 2 {
		t.Errorf("a number of the business account that isn't declared here: %+v", c)
	}
}

func TestATemplateOrTheQualityStopsSending(t *testing.T) {
	w := newWorld(t)
	code := func(since int64) string {
		c := w.condition("wa")
		if bar := c.Bars("offer", "en", since); bar != nil {
			return bar.Code
		}
		return ""
	}
	is := func(name string, want string, since int64) {
		t.Helper()
		if got := code(since); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	is("nothing is known", "", 0)
	w.hear(5, channel.ByWebhook, template("offer", chat.SaysTemplate, "PAUSED"), channels[0])
	w.hear(5, channel.ByWebhook, template("other", chat.SaysTemplate, "DISABLED"), channels[0])
	is("a paused template", channel.CodeTemplate, 100)
	if c := w.condition("wa"); c.Bars("", "", 0) != nil || c.Bars("offer", "de", 0) != nil || c.Bars("other", "en", 50).Code != channel.CodeTemplate {
		t.Error("another template, or none")
	}
	w.hear(6, channel.ByWebhook, template("offer", chat.SaysTemplate, "APPROVED"), channels[0])
	is("and approved again", "", 100)
	w.hear(10, channel.ByGraph, says("", chat.SaysQuality, "GREEN", ""), channels[0])
	w.hear(20, channel.ByGraph, says("", chat.SaysQuality, "YELLOW", ""), channels[0])
	is("quality fell meanwhile", channel.CodeWorse, 15)
	is("quality fell before", "", 25)
	is("quality fell, and nothing is sent yet", "", 0)
	w.hear(30, channel.ByGraph, says("", chat.SaysQuality, "RED", ""), channels[0])
	is("low meanwhile", channel.CodeQuality, 25)
	is("low before, and known to whoever went on", "", 35)
	is("low, before anything is sent", channel.CodeQuality, 0)
	w.hear(40, channel.ByWebhook, says("", chat.SaysEvent, "FLAGGED", ""), channels[0])
	is("flagged", channel.CodeFlagged, 35)
}

func TestTemplatesThatAreKeptAreBounded(t *testing.T) {
	w := newWorld(t)
	for n := range 1100 {
		w.hear(int64(n+1), channel.ByWebhook, template(fmt.Sprintf("t%04d", n), chat.SaysTemplate, "PAUSED"), channels[0])
	}
	c := w.condition("wa")
	if len(c.Templates) != 1000 || c.Template("t0000", "en").Status.Value != "" || c.Template("t1099", "en").Status.Value != "PAUSED" {
		t.Errorf("%d templates, the first is %+v", len(c.Templates), c.Template("t0000", "en"))
	}
}

func TestRateAndTierAsMetaWritesThem(t *testing.T) {
	for text, want := range map[string]int{
		"TIER_50": 50, "TIER_250": 250, "TIER_1K": 1000, "TIER_2K": 2000, "TIER_10K": 10_000, "TIER_100K": 100_000, "TIER_UNLIMITED": channel.Unlimited,
		"TIER_NOT_SET": 0, "2000": 2000, "tier_2k": 2000, "-1": channel.Unlimited, "": 0, "many": 0, "99999999999999999999": 0, "TIER_": 0, "9223372036854775807K": 0,
	} {
		if got := channel.TierOf(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	for _, c := range []struct {
		declared float64
		known    channel.Condition
		want     float64
	}{
		{0, channel.Condition{}, 80},
		{0, channel.Condition{Rate: 1000}, 1000},
		{300, channel.Condition{Rate: 1000}, 300},
		{300, channel.Condition{}, 300},
		{300, channel.Condition{Rate: 1000, Coexists: true}, 20},
		{10, channel.Condition{Coexists: true}, 10},
		{0, channel.Condition{Coexists: true}, 20},
	} {
		if got := channel.Rate(chat.Channel{Rate: c.declared}, c.known); got != c.want {
			t.Errorf("declared %v, %+v: %v, want %v", c.declared, c.known, got, c.want)
		}
	}
}

func TestAForeignNoticeIsRefused(t *testing.T) {
	rule := channel.Rules()[channel.CommandNotice]
	c, err := channel.NewNotice("id", 1, 1, channel.ByWebhook, says("", chat.SaysTier, "2000", ""), channels)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rule.Keys(shard.Place{Shards: shards, Shard: (shards.Account("acme") + 1) % int(shards)}, c); err == nil {
		t.Error("it is folded in another account's shard")
	}
	c.Body = json.RawMessage(`{"at":1,"notice":{"says":[]}}`)
	if _, err := rule.Keys(shard.Place{Shards: shards, Shard: shards.Account("acme")}, c); err == nil {
		t.Error("it names no channel")
	}
}
