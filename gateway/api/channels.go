package api

import (
	"context"
	"net/http"
	"time"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/ratelimit"
)

// ChannelOptions tell in what condition channels are, and how much of their limits is used.
type ChannelOptions struct {
	Conditions conditions
	Tiers      tierUses
	Pace       paces
	Service    serviceCounts
}

// conditions gives what Meta has told of a channel.
type conditions interface {
	Condition(ctx context.Context, account, channel string) (channel.Condition, error)
}

// tierUses counts the people whom a portfolio has reached in 24 h.
type tierUses interface {
	TierUse(ctx context.Context, account, portfolio string) (channel.TierUse, error)
}

// paces tells to what part of its rate a number's line is slowed.
type paces interface {
	Share(ctx context.Context, number string) (float64, error)
}

// serviceCounts counts who is within the service window of a channel.
type serviceCounts interface {
	InServiceCount(ctx context.Context, account, channel string) (int, error)
}

// channelView is a channel as the API shows it: never its token.
type channelView struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	Source    string   `json:"source"`          // configuration
	Number    *int     `json:"number"`          // what feeds and Picky-compatible calls name it by
	NumberID  string   `json:"phone_number_id"` // page id or Instagram account id of the other kinds
	WABA      *string  `json:"waba_id"`
	Portfolio *string  `json:"portfolio"`
	Display   *string  `json:"display_phone_number"`
	Status    *fact    `json:"status"`  // of the number, in Meta's word
	Quality   *fact    `json:"quality"` // of the number: GREEN, YELLOW, RED
	Coexists  bool     `json:"coexistence"`
	Barred    *barView `json:"barred"` // why nothing can be sent by it; null: nothing is known to stand in the way
}

// fact is what Meta told last of something, when, and how.
type fact struct {
	Value  string    `json:"value"`
	Since  time.Time `json:"since"`
	Source string    `json:"source"` // webhook or graph
}

// barView says why nothing can be sent.
type barView struct {
	Code   string     `json:"code"`
	Reason string     `json:"reason"`
	Since  time.Time  `json:"since"`
	Until  *time.Time `json:"until"`
}

func viewFact(c channel.Condition, subject string) *fact {
	told, ok := c.Facts[subject]
	if !ok {
		return nil
	}
	return &fact{Value: told.Value, Since: time.UnixMilli(told.At).UTC(), Source: told.By}
}

func (a *API) viewChannel(c *call, of chat.Channel, numbers map[string]int) (channelView, error) {
	known, err := a.Channels.Conditions.Condition(c.ctx, of.Account, of.ID)
	if err != nil {
		return channelView{}, err
	}
	v := channelView{
		ID: of.ID, Kind: of.Kind, Source: "configuration", NumberID: of.NumberID, WABA: some(of.Business), Portfolio: some(of.Portfolio),
		Display: some(known.Facts[chat.SaysDisplay].Value), Status: viewFact(known, chat.SaysStatus), Quality: viewFact(known, chat.SaysQuality), Coexists: known.Coexists,
	}
	if n, ok := numbers[of.ID]; ok {
		v.Number = &n
	}
	if bar := known.Barred; bar != nil {
		v.Barred = &barView{Code: bar.Code, Reason: bar.Reason, Since: time.UnixMilli(bar.At).UTC(), Until: timeOf(bar.Until)}
	}
	return v, nil
}

// listChannels answers GET /v1/channels: the account's, as they stand in the configuration. Its cursor is the id of the last shown.
func (a *API) listChannels(c *call) error {
	limit, after, err := c.page()
	if err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	all := a.Directory.Of(c.account)
	if after != "" {
		for len(all) > 0 && all[0].ID != after {
			all = all[1:]
		}
		if len(all) == 0 {
			return wrongField(fault.Invalid, "after", "bad_cursor", "is no cursor that a page gave as next")
		}
		all = all[1:]
	}
	next := ""
	if len(all) > limit {
		all, next = all[:limit], all[limit-1].ID
	}
	views := make([]channelView, len(all))
	for i, of := range all {
		if views[i], err = a.viewChannel(c, of, account.Numbers); err != nil {
			return err
		}
	}
	return c.list(views, next)
}

// ownChannel gives the caller's channel that the path names.
func (a *API) ownChannel(c *call) (chat.Channel, error) {
	of, ok := a.Directory.Channel(c.account, c.param("id"))
	if !ok {
		return of, fault.New(fault.NotFound, "unknown_channel", "There is no such channel.")
	}
	return of, nil
}

// showChannel answers GET /v1/channels/{id}.
func (a *API) showChannel(c *call) error {
	of, err := a.ownChannel(c)
	if err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	v, err := a.viewChannel(c, of, account.Numbers)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, v)
}

// limitsView shows what Meta allows a channel, and how much of it is used.
type limitsView struct {
	Channel string      `json:"channel"`
	Rate    rateView    `json:"rate"`
	Pair    pairView    `json:"pair"`
	Tier    tierView    `json:"tier"`
	Service serviceView `json:"service_window"`
}

// rateView is the messages a second of a number, exact over all replicas.
type rateView struct {
	Declared *float64   `json:"declared"` // in the configuration
	Allowed  float64    `json:"allowed"`
	Now      float64    `json:"now"`   // while Meta finds the number too fast it is less
	Share    float64    `json:"share"` // of allowed
	Since    *time.Time `json:"since"`
	Source   string     `json:"source"` // configuration, graph, webhook; default: nobody has told yet
	Exact    bool       `json:"exact"`
}

// pairView is the pace towards one person. Each lane counts its own.
type pairView struct {
	Every int  `json:"seconds_per_message"`
	Burst int  `json:"burst"`
	Exact bool `json:"exact"`
}

// tierView is the people whom a portfolio may reach outside of service windows in 24 h.
type tierView struct {
	Portfolio *string    `json:"portfolio"`
	Known     bool       `json:"known"`
	Unlimited bool       `json:"unlimited"`
	Limit     *int       `json:"limit"` // null: not known, or unlimited
	Used      *int       `json:"used"`  // null where nobody counts: unlimited
	Left      *int       `json:"left"`
	NextFree  *time.Time `json:"next_free_at"` // a place of those in use
	AllFree   *time.Time `json:"all_free_at"`
	Since     *time.Time `json:"since"`
	Source    *string    `json:"source"`
	Exact     bool       `json:"exact"` // false while people are counted anew after a loss
}

// serviceView is who may be written anything just now.
type serviceView struct {
	Hours  int  `json:"hours"`
	People int  `json:"people"` // identifiers, of which a person may have several
	Exact  bool `json:"exact"`
}

// showLimits answers GET /v1/channels/{id}/limits.
func (a *API) showLimits(c *call) error {
	of, err := a.ownChannel(c)
	if err != nil {
		return err
	}
	known, err := a.Channels.Conditions.Condition(c.ctx, of.Account, of.ID)
	if err != nil {
		return err
	}
	share, err := a.Channels.Pace.Share(c.ctx, of.Account+"/"+of.ID)
	if err != nil {
		return err
	}
	use, err := a.Channels.Tiers.TierUse(c.ctx, of.Account, of.Portfolio)
	if err != nil {
		return err
	}
	inside, err := a.Channels.Service.InServiceCount(c.ctx, of.Account, of.ID)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, limitsView{
		Channel: of.ID, Rate: viewRate(of, known, share),
		Pair:    pairView{Every: int(ratelimit.PairEvery / time.Second), Burst: ratelimit.PairBurst},
		Tier:    viewTier(of, use),
		Service: serviceView{Hours: int(channel.Window / time.Hour), People: inside},
	})
}

func viewRate(of chat.Channel, known channel.Condition, share float64) rateView {
	allowed := channel.Rate(of, known)
	v := rateView{Allowed: allowed, Now: allowed * share, Share: share, Source: "default", Exact: true}
	told := known.Facts[chat.SaysThroughput]
	alone := known
	if alone.Coexists = false; allowed < channel.Rate(of, alone) {
		told = known.Facts[chat.SaysCoexistence]
	}
	if told.At > 0 {
		v.Source, v.Since = told.By, timeOf(told.At)
	}
	if of.Rate > 0 {
		if v.Declared = &of.Rate; allowed == of.Rate {
			v.Source, v.Since = "configuration", nil
		}
	}
	return v
}

func viewTier(of chat.Channel, use channel.TierUse) tierView {
	v := tierView{Portfolio: some(of.Portfolio), Known: use.Limit != 0, Unlimited: use.Limit == channel.Unlimited, Exact: use.Exact}
	if v.Known {
		v.Since, v.Source = timeOf(use.Told.At), some(use.Told.By)
	}
	if v.Unlimited {
		return v
	}
	v.Used = &use.Used
	if v.Known {
		left := use.Left()
		v.Limit, v.Left = &use.Limit, &left
	}
	if use.Used > 0 {
		next, all := use.Next.UTC(), use.All.UTC()
		v.NextFree, v.AllFree = &next, &all
	}
	return v
}
