package app

import (
	"context"
	"net/http"

	"optgate/gateway/webcall"
	"optgate/pipeline/feed"
)

// openWebcall makes what calls customers' own addresses, before anybody can ask for it.
func (a *App) openWebcall() {
	a.webcall = webcall.New(webcall.Options{Allow: a.config.Webcall.Allow})
	a.crew.onStop(a.webcall.Close)
	a.courier = feed.NewCourier(poster{a.webcall})
}

// checkURL refuses a URL that calls may not go to.
func (a *App) checkURL(target string) error {
	ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
	defer cancel()
	return a.webcall.Check(ctx, target)
}

// feed posts the deliveries of a shard, beside its owner.
func (a *App) feed(s int) *feed.Runner {
	return &feed.Runner{
		Shard: s, States: a.store, Accounts: a.store, Courier: a.courier, Publisher: a.bus, Metrics: a.metrics, Logger: a.log,
	}
}

// poster posts by webcall.
type poster struct{ calls *webcall.Caller }

// Post posts. A receiver that has sent its status has taken the post, whatever comes of the rest of its answer.
func (p poster) Post(ctx context.Context, c feed.Call) (feed.Said, error) {
	header := http.Header{}
	for _, h := range c.Headers {
		header.Set(h.Name, h.Value)
	}
	answer, err := p.calls.Call(ctx, webcall.Request{URL: c.URL, Header: header, Body: c.Body})
	if err != nil && answer.Status == 0 {
		return feed.Said{}, err
	}
	return feed.Said{Status: answer.Status, RetryAfter: answer.Header.Get("Retry-After"), Body: answer.Body}, nil
}
