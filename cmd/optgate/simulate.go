package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"optgate/gateway/meta/fake"
)

type simulateCommand struct {
	Gateway string             `default:"http://127.0.0.1:8080" placeholder:"URL" help:"The gateway's public listener, or its whole webhook URL."`
	Secret  string             `name:"app-secret" env:"META_APP_SECRET" required:"" placeholder:"SECRET" help:"The secret of the app in the gateway's configuration: it signs."`
	Listen  string             `default:"127.0.0.1:8082" placeholder:"HOST:PORT" help:"Where to serve the Cloud API; the gateway's meta.graph_url is http://HOST:PORT/v26.0."`
	Number  []string           `name:"phone-number-id" required:"" placeholder:"ID" help:"The numbers that are written to."`
	WABA    string             `name:"waba-id" default:"177700000000001" placeholder:"ID" help:"Their business account."`
	Rate    float64            `default:"10" help:"Items a second; 0: as fast as they are answered."`
	For     time.Duration      `name:"duration" placeholder:"TIME" help:"How long, as 1m; without it, until it is stopped."`
	People  int                `default:"1000" help:"How many people write."`
	Stops   float64            `default:"4" help:"Of a hundred items, about so many are STOPs."`
	Batch   int                `default:"5" help:"At most so many items in one webhook."`
	Again   float64            `default:"0.05" help:"Share of webhooks that come twice, though they were answered 200."`
	Shuffle int                `default:"5" help:"So many webhooks are held back and leave in another order."`
	Errors  map[string]float64 `placeholder:"CODE=SHARE;…" help:"Answer a share of sends with an error, as 130429=0.05;500=0.01; the code drop cuts the connection."`
	Seed    uint64             `default:"1" help:"The same seed makes the same people say the same."`
}

// afterwards is how long the Cloud API is still served when all webhooks are delivered: confirmations come 2 s after a STOP.
const afterwards = 4 * time.Second

// Run plays Meta until the duration is over or ctx ends, and then says what happened.
func (c *simulateCommand) Run(ctx context.Context, t terminal) error {
	webhook, err := callback(c.Gateway)
	if err != nil {
		return usageError{fmt.Errorf("--gateway: %w", err)}
	}
	answers, err := c.answers()
	if err != nil {
		return usageError{fmt.Errorf("--errors: %w", err)}
	}
	meta, err := fake.New(fake.Options{
		Listen: c.Listen, Webhook: webhook, Secret: []byte(c.Secret), Seed: c.Seed, Keep: 1,
		Answer: answers.decide, ReceiptDelay: 300 * time.Millisecond,
	})
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	defer meta.Close() //nolint:errcheck // nobody calls it any more
	t.printf("Delivering to %s; serving the Cloud API at %s\n", webhook, meta.URL())
	delivering := ctx
	if c.For > 0 {
		var cancel context.CancelFunc
		delivering, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	var kept latencies
	began := time.Now()
	stops := 0
	tally := meta.Run(delivering, c.generator(), fake.Plan{
		Rate: c.Rate, Batch: c.Batch, Again: c.Again, Shuffle: c.Shuffle, Seed: c.Seed, Kept: kept.add,
		Each: func(e fake.Event) {
			if e.Stops {
				stops++
			}
		},
	})
	took := time.Since(began)
	select {
	case <-ctx.Done():
	case <-time.After(afterwards):
	}
	t.printf("%d items in %d webhooks kept in %s, %.0f items/s, by %d posts; %d STOPs among those made up\n",
		tally.Items, tally.Bodies, took.Round(time.Second/10), float64(tally.Items)/took.Seconds(), tally.Posts, stops)
	t.printf("answered 200 after: half %s, 99 of 100 %s, slowest %s\n", kept.share(0.5), kept.share(0.99), kept.share(1))
	t.printf("calls of the Cloud API: %s\n", answers)
	return nil
}

// callback gives the URL of the webhook.
func callback(gateway string) (string, error) {
	u, err := url.Parse(gateway)
	if err != nil {
		return "", err
	}
	if u.Host == "" {
		return "", fmt.Errorf("%q is no URL, as http://127.0.0.1:8080", gateway)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/webhooks/meta"
	}
	return u.String(), nil
}

func (c *simulateCommand) generator() *fake.Generator {
	numbers := make([]fake.Number, len(c.Number))
	for i, id := range c.Number {
		numbers[i] = fake.Number{ID: id, WABA: c.WABA, Display: fmt.Sprintf("1555014%04d", i+1)}
	}
	return fake.NewGenerator(c.Seed, numbers, c.People, mixWith(c.Stops))
}

// mixWith gives the usual mix with another share of STOPs, in hundredths.
func mixWith(stops float64) fake.Mix {
	mix, others := fake.DefaultMix(), 0
	delete(mix, "stop")
	for _, share := range mix {
		others += share
	}
	stops = min(max(stops, 0), 99)
	mix["stop"] = int(float64(others)*stops/(100-stops) + 0.5)
	return mix
}

// latencies are times to be summed up.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
}

// share gives the time that a share of them does not exceed.
func (l *latencies) share(of float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return 0
	}
	slices.Sort(l.all)
	return l.all[min(int(of*float64(len(l.all))), len(l.all)-1)].Round(10 * time.Microsecond)
}
