package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"optgate/bench/host"
	"optgate/bench/load/mix"
	"optgate/bench/load/offer"
)

// drained bounds how long the pipeline may be behind after a sample.
const drained = 60 * time.Second

// workedOff waits until the gateway has handled every item that it said 200 for, and until every stop word in them is decided.
func (t *turn) workedOff(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drained)
	defer cancel()
	for {
		text, status, err := get(ctx, t.private+"/metrics")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/metrics says %d", status)
		}
		if err != nil {
			return err
		}
		items, stops := sum(text, "optgate_items_total{", ""), sum(text, "optgate_optouts_total{", `source="message"`)
		if items >= float64(t.said.Items) && stops >= float64(t.said.Stops) {
			return nil
		}
		if wait(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("a minute later %d items and %d stop words are acknowledged, %.0f and %.0f of them worked off",
				t.said.Items, t.said.Stops, items, stops)
		}
	}
}

// sum adds up the lines of a metric that have some text in their labels.
func sum(text []byte, name, label string) (n float64) {
	for line := range strings.Lines(string(text)) {
		labels, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if ok && strings.HasPrefix(labels, name) && strings.Contains(labels, label) {
			v, err := strconv.ParseFloat(value, 64)
			if err == nil {
				n += v
			}
		}
	}
	return n
}

// get asks the private listener, as the account.
func get(ctx context.Context, url string) (text []byte, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err = io.ReadAll(answer.Body)
	return text, answer.StatusCode, err
}

// effectRates are those at which the time from webhook to effect is measured; the first one is next to nothing.
var effectRates = []float64{1, 1000, 5000}

// probesPerSecond are STOPs besides those in the mixture, each followed until it is in force.
// They are few: whoever asks too much is the load.
const probesPerSecond = 25

// effects measures how long a STOP takes from its webhook until the gateway would refuse to send to that person.
func (t *turn) effects(ctx context.Context) error {
	for _, rate := range effectRates {
		best, err := leastDisturbed(t.field.settings, func() (*Effect, error) { return t.effect(ctx, rate) })
		if err != nil {
			return fmt.Errorf("effects at %.0f/s: %w", rate, err)
		}
		t.field.results.Effects = append(t.field.results.Effects, *best)
		t.field.sayf("%d %-24s in force at %.0f/s: p50 %.1f ms, p99 %.1f of %d, foreign %.0f %%", t.round+1, t.contestant.name, rate,
			percentile(best.Millis, 50), percentile(best.Millis, 99), len(best.Millis), best.Foreign*100)
	}
	return nil
}

// effect measures it once, at one rate of other webhooks.
func (t *turn) effect(ctx context.Context, rate float64) (*Effect, error) {
	one := &Effect{Contestant: t.contestant.name, Round: t.round, Rate: rate}
	// Of people that the mixture does not come to: it would take five million webhooks.
	stops, err := mix.New(mix.Options{Kinds: "stop=1", Host: t.host, Path: path, Secret: secret, First: t.field.first + 5_000_000, Now: time.Now()})
	if err != nil {
		return nil, err
	}
	before, err := host.ReadClock(t.server.PID, t.pids())
	if err != nil {
		return nil, err
	}
	var probing sync.WaitGroup
	var probed error
	probing.Go(func() { one.Millis, probed = t.probe(ctx, stops, 2*t.field.Time) })
	report, err := t.offer(ctx, offer.Options{Connections: 64, Rate: rate, Warmup: warmEffects, Time: 2 * t.field.Time}, "", secret)
	probing.Wait()
	n := len(one.Millis)
	t.field.first += uint64(n) // nobody stops twice
	t.said = t.said.Plus(offer.Kept{Webhooks: n, Items: n, Stops: n})
	if err := errors.Join(err, probed); err != nil {
		return nil, err
	}
	after, err := host.ReadClock(t.server.PID, t.pids())
	if err != nil {
		return nil, err
	}
	one.Kept, one.Foreign = report.PerSecond, after.Foreign(before)
	return one, t.workedOff(ctx)
}

const warmEffects = 500 * time.Millisecond

// probe sends STOPs at even distances and gives how long each took until it was in force.
func (t *turn) probe(ctx context.Context, m *mix.Mix, during time.Duration) (millis []float64, err error) {
	if err := wait(ctx, warmEffects); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var probes sync.WaitGroup
	tick := time.NewTicker(time.Second / probesPerSecond)
	defer tick.Stop()
	n := uint64(during.Seconds() * probesPerSecond)
	for i := range n {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		probes.Go(func() {
			took, failed := t.stop(ctx, m, i)
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				err = failed
				return
			}
			millis = append(millis, float64(took.Microseconds())/1000)
		})
	}
	probes.Wait()
	return millis, err
}

// post sends one webhook by a connection of its own.
func post(ctx context.Context, host string, request []byte) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it has been answered
	if _, err := conn.Write(request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it ends with the connection
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("a STOP is answered %s", answer.Status)
	}
	return nil
}

// stop sends one STOP and asks every millisecond what would happen to a message to that person, until it is refused; after
// 10 ms more seldom, so that asking does not become the load. What it gives is up to the answer that said so: never less than
// the truth, and at most a tenth more.
func (t *turn) stop(ctx context.Context, m *mix.Mix, n uint64) (time.Duration, error) {
	began := time.Now()
	if err := post(ctx, t.host, m.Maker().Make(n)); err != nil {
		return 0, err
	}
	question := t.private + "/v1/why?channel=wa&category=marketing&lists=default&to=%2B" + m.Sender(n)
	for time.Since(began) < drained {
		text, status, err := get(ctx, question)
		if err != nil {
			return 0, err
		}
		refused, err := refuses(text, status)
		if err != nil {
			return 0, err
		}
		if refused {
			return time.Since(began), nil
		}
		if err := wait(ctx, max(time.Millisecond, time.Since(began)/10)); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("a STOP is not in force after %v", drained)
}

// refuses reads an answer to why. 503 says that the gateway can't be certain just now: then nothing is sent either, but that
// is no opt-out in force.
func refuses(text []byte, status int) (bool, error) {
	if status == http.StatusServiceUnavailable {
		return false, nil
	}
	var said struct {
		Allowed *bool `json:"allowed"`
	}
	if err := json.Unmarshal(text, &said); err != nil || said.Allowed == nil {
		return false, fmt.Errorf("/v1/why says %d: %s", status, text)
	}
	return !*said.Allowed, nil
}
