// Package channel knows in what condition a way to reach people is: what Meta allows a number, how Meta finds its quality,
// and which of its templates may be sent. It folds what webhooks and Graph tell.
package channel

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"optgate/pipeline/chat"
)

// Condition is what is known of a channel: the state under Key in the account's shard, joined with that of its portfolio. The
// zero Condition: nothing yet, and nothing bars it.
type Condition struct {
	V         int             `json:"v"`
	Account   string          `json:"account"`
	Channel   string          `json:"channel"`
	Portfolio string          `json:"portfolio"`            // whose numbers share one tier; see chat.Channel
	Facts     map[string]Told `json:"facts,omitempty"`      // by subject, see chat.Said
	Worse     int64           `json:"worse,omitempty"`      // ms since 1970 at which the quality was last told to have fallen; 0: never
	UpgradeAt int64           `json:"upgrade_at,omitempty"` // ms since 1970 at which a webhook last told of the number, so that Graph is to be asked
	Templates []Template      `json:"templates,omitempty"`  // those that webhooks told of, by name and language

	Tier     int    `json:"tier,omitempty"`     // people outside a service window in 24 h; 0: not known, Unlimited: as many as there are
	Rate     int    `json:"rate,omitempty"`     // messages a second; 0: not known
	Quality  string `json:"quality,omitempty"`  // GREEN, YELLOW, RED; "": not known
	Coexists bool   `json:"coexists,omitempty"` // the number is used by the app on a phone too
	Barred   *Bar   `json:"barred,omitempty"`   // nothing can be sent by it; nil: nothing is known to stand in the way
}

// Told is a fact that Meta told last.
type Told struct {
	Value  string `json:"value"`
	Detail string `json:"detail,omitempty"`
	At     int64  `json:"at"` // ms since 1970 at which it was told
	By     string `json:"by"` // ByWebhook or ByGraph
	Until  int64  `json:"until,omitempty"`
}

// Template is a message template, as webhooks told of it.
type Template struct {
	Name     string `json:"name"`
	Language string `json:"language"`
	Status   Told   `json:"status,omitzero"`
	Quality  Told   `json:"quality,omitzero"`
	Category Told   `json:"category,omitzero"`
}

// Unlimited is the tier without a limit.
const Unlimited = -1

// Bar says why something can't be sent.
type Bar struct {
	Code   string `json:"code"`            // stable, as token_expired
	Reason string `json:"reason"`          // one sentence for people
	At     int64  `json:"at"`              // ms since 1970
	Until  int64  `json:"until,omitempty"` // ms since 1970 at which it ends by itself; 0: it doesn't
}

// Codes of bars.
const (
	CodeToken      = "token_expired"
	CodeDisabled   = "account_disabled"
	CodeDeleted    = "account_deleted"
	CodeOffboarded = "account_offboarded"
	CodeAccess     = "access_removed"
	CodeRestricted = "account_restricted"
	CodeRejected   = "account_rejected"
	CodeNumber     = "number_blocked"
	CodeTemplate   = "template_not_sendable"
	CodeWeak       = "template_quality"
	CodeQuality    = "quality_low"
	CodeFlagged    = "quality_flagged"
	CodeWorse      = "quality_fell"
)

// Key gives the key of a channel's state, PortfolioKey that of a portfolio's. Both lie in the account's shard.
func Key(account, channel string) string { return "channel/" + account + "/" + channel }

// PortfolioKey gives the key of a portfolio's state.
func PortfolioKey(account, portfolio string) string { return "portfolio/" + account + "/" + portfolio }

// Portfolio is what is known of a business portfolio: its tier, which all its numbers share.
type Portfolio struct {
	V     int             `json:"v"`
	Facts map[string]Told `json:"facts"`
}

// Join adds what is known of the channel's portfolio.
func (c *Condition) Join(p Portfolio) {
	if told, ok := p.Facts[chat.SaysTier]; ok {
		c.Facts = withFact(c.Facts, chat.SaysTier, told)
		c.Tier = TierOf(told.Value)
	}
}

// At is the condition at a time (ms since 1970): what has ended by itself until then bars nothing.
func (c Condition) At(now int64) Condition {
	c.Barred = c.barred(now)
	return c
}

// Template gives what webhooks told of a template; the zero Template where they told nothing.
func (c *Condition) Template(name, language string) Template {
	for _, t := range c.Templates {
		if t.Name == name && t.Language == language {
			return t
		}
	}
	return Template{}
}

// Bars says why sending must stop, nil if nothing is known to stand in the way: nothing can be sent by the channel, or not
// this template ("": none is sent), or the quality is bad. What was told of the quality before since (ms since 1970) was known
// to whoever started or resumed then and bars nothing; 0: whatever it was told.
func (c *Condition) Bars(template, language string, since int64) *Bar {
	if c.Barred != nil {
		return c.Barred
	}
	t := c.Template(template, language)
	switch quality, event, status := c.Facts[chat.SaysQuality], c.Facts[chat.SaysEvent], c.Facts[chat.SaysStatus]; {
	case template != "" && unsendable[t.Status.Value] != "":
		return &Bar{Code: CodeTemplate, Reason: unsendable[t.Status.Value], At: t.Status.At}
	case template != "" && t.Quality.Value == "RED" && t.Quality.At > since:
		return &Bar{Code: CodeWeak, Reason: "Meta finds the template's quality low and may pause it.", At: t.Quality.At}
	case quality.Value == "RED" && quality.At > since:
		return &Bar{Code: CodeQuality, Reason: "Meta finds the number's quality low.", At: quality.At}
	case event.Value == "FLAGGED" && event.At > since:
		return &Bar{Code: CodeFlagged, Reason: "Meta has flagged the number for its quality.", At: event.At}
	case status.Value == "FLAGGED" && status.At > since:
		return &Bar{Code: CodeFlagged, Reason: "Meta has flagged the number for its quality.", At: status.At}
	case since > 0 && c.Worse > since:
		return &Bar{Code: CodeWorse, Reason: "Meta finds the number's quality worse than before.", At: c.Worse}
	}
	return nil
}

// unsendable gives, for the statuses in which Meta sends no template, why.
var unsendable = map[string]string{
	"PAUSED":           "Meta has paused the template for its quality.",
	"DISABLED":         "Meta has disabled the template.",
	"REJECTED":         "Meta has rejected the template.",
	"FLAGGED":          "Meta has flagged the template and is about to disable it.",
	"PENDING":          "Meta has not approved the template yet.",
	"IN_APPEAL":        "Meta has not approved the template yet.",
	"PENDING_DELETION": "The template is being deleted at Meta.",
	"DELETED":          "The template was deleted at Meta.",
	"ARCHIVED":         "The template was archived at Meta.",
	"LIMIT_EXCEEDED":   "The business account has more templates than Meta allows.",
}

// barred finds what stands in the way of everything: the first of these that does.
func (c *Condition) barred(now int64) *Bar {
	for _, o := range obstacles {
		f := c.Facts[o.subject]
		if f.Value != o.value || f.Until != 0 && now >= f.Until {
			continue
		}
		if o.detail == "" || slices.Contains(strings.Split(f.Detail, ","), o.detail) {
			return &Bar{Code: o.code, Reason: o.reason, At: f.At, Until: f.Until}
		}
	}
	return nil
}

// obstacles are the facts with which nothing can be sent.
var obstacles = []struct{ subject, value, detail, code, reason string }{
	{chat.SaysToken, TokenRefused, "", CodeToken, "Meta refuses the channel's access token. Put a new one into the configuration."},
	{chat.SaysAccount, "DISABLED_UPDATE", "DISABLE", CodeDisabled, "Meta has disabled the business account."},
	{chat.SaysAccount, "ACCOUNT_DELETED", "", CodeDeleted, "The business account was deleted at Meta."},
	{saysAccess, "ACCOUNT_OFFBOARDED", "", CodeOffboarded, "The business has disconnected its account from the Cloud API."},
	{saysAccess, "PARTNER_REMOVED", "", CodeAccess, "The app has no more access to the business account."},
	{saysAccess, "PARTNER_APP_UNINSTALLED", "", CodeAccess, "The app has no more access to the business account."},
	{saysRestriction, "ACCOUNT_RESTRICTION", "RESTRICTED_BIZ_INITIATED_MESSAGING", CodeRestricted, "Meta lets the business account start no conversations."},
	{saysRestriction, "ACCOUNT_RESTRICTION", "RESTRICTED_CUSTOMER_INITIATED_MESSAGING", CodeRestricted, "Meta lets the business account answer nobody."},
	{chat.SaysReview, "REJECTED", "", CodeRejected, "Meta has rejected the business account."},
	{chat.SaysStatus, "BANNED", "", CodeNumber, "Meta has banned the number."},
	{chat.SaysStatus, "DELETED", "", CodeNumber, "The number was deleted at Meta."},
	{chat.SaysStatus, "DISCONNECTED", "", CodeNumber, "The number is not connected to the Cloud API."},
	{chat.SaysStatus, "MIGRATED", "", CodeNumber, "The number was moved to another business account."},
}

// Events of a business account that concern different things are different facts, so that one doesn't hide the other.
const (
	saysAccess      = "access"
	saysRestriction = "restriction"
)

// factOf gives the fact that an event of a business account changes; "": it only is one.
var factOf = map[string]string{
	"DISABLED_UPDATE": chat.SaysAccount, "ACCOUNT_DELETED": chat.SaysAccount, "ACCOUNT_RESTRICTION": saysRestriction,
	"ACCOUNT_OFFBOARDED": saysAccess, "ACCOUNT_RECONNECTED": saysAccess, "PARTNER_REMOVED": saysAccess, "PARTNER_ADDED": saysAccess,
	"PARTNER_APP_UNINSTALLED": saysAccess, "PARTNER_APP_INSTALLED": saysAccess,
}

// What is told of an access token.
const (
	TokenGood    = "GOOD"
	TokenRefused = "REFUSED"
)

// settle works out what follows from the facts.
func (c *Condition) settle() {
	c.Rate = 0
	switch c.Facts[chat.SaysThroughput].Value {
	case "HIGH":
		c.Rate = highRate
	case "STANDARD":
		c.Rate = standardRate
	}
	c.Coexists = c.Facts[chat.SaysCoexistence].Value == "TRUE"
	c.Quality = c.Facts[chat.SaysQuality].Value
	c.Barred = c.barred(0)
}

// Facts that a display number is found by.
func (c *Condition) display() string { return c.Facts[chat.SaysDisplay].Value }

func withFact(facts map[string]Told, subject string, told Told) map[string]Told {
	all := make(map[string]Told, len(facts)+1)
	maps.Copy(all, facts)
	all[subject] = told
	return all
}

// newer says whether b is to stand instead of a: it was told later, or at the same time and is the greater text.
func newer(a, b Told) bool {
	return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.Value, a.Value), cmp.Compare(b.Detail, a.Detail)) > 0
}
