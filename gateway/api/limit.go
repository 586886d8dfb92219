package api

import (
	"context"
	"time"

	"optgate/pipeline/fault"
	"optgate/ratelimit"
)

// limit counts a call of /v1 and tells the caller how many are left. All calls with unknown tokens share one window, so
// that guessing is slow. Where nobody can count, the call passes: this limit protects ourselves alone.
func (a *API) limit(c *call, who known) error {
	return a.counted(c, "api/"+who.account+"/"+who.name, a.Calls)
}

// counted counts a call under a key, of which there may be so many in a minute.
func (a *API) counted(c *call, key string, calls int) error {
	ctx, cancel := context.WithTimeout(c.ctx, 250*time.Millisecond)
	defer cancel()
	rule := ratelimit.Rule{Limit: calls, Period: time.Minute}
	d, err := a.Windows.Take(ctx, key, rule.Limit, rule.Period)
	if err != nil {
		a.Log.Debug().Err(err).Msg("api call was not counted")
		d = ratelimit.Decision{Rule: rule, Allowed: true, Remaining: rule.Limit}
	}
	d.Headers(c.rc.Response.Header.Set)
	if !d.Allowed {
		return fault.New(fault.TooMany, "rate_limited", "%s", ratelimit.Exceeded)
	}
	return nil
}
