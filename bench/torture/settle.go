package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// settle waits until everything is delivered, recovered and accounted for, or patience ends; then it is what it is.
func (r *round) settle(ctx context.Context, delivering *sync.WaitGroup) (*evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	began := time.Now()
	if err := r.fleet.ready(ctx); err != nil {
		r.happened(incident{name: "after all troubles", at: time.Since(r.began), recovered: -1, err: err})
	}
	delivered := make(chan struct{})
	go func() { delivering.Wait(); close(delivered) }()
	select {
	case <-delivered:
	case <-ctx.Done():
	}
	for r.market.open(ctx) > 0 && pause(ctx, 500*time.Millisecond) {
	}
	r.sayf("all delivered and sent %.1fs after the last trouble", time.Since(began).Seconds())
	var e *evidence
	last, changed := -1, time.Now()
	for {
		var err error
		gathering, cancel := context.WithTimeout(r.patience, time.Minute)
		e, err = r.gather(gathering)
		cancel()
		if err == nil {
			findings := len(e.judge().findings)
			if findings == 0 {
				break
			}
			if findings != last {
				last, changed = findings, time.Now()
			}
			if time.Since(changed) > stuckAfter {
				return e, nil
			}
		}
		if !pause(ctx, 2*time.Second) {
			if err != nil {
				return nil, fmt.Errorf("gather the evidence: %w", err)
			}
			return e, nil
		}
	}
	r.sayf("all accounted for %.1fs after the last trouble", time.Since(began).Seconds())
	pause(r.patience, quietFor)
	return r.gather(r.patience)
}

// gather asks everybody.
func (r *round) gather(ctx context.Context) (*evidence, error) {
	e := &evidence{said: r.courier.all(), standing: map[string]map[string]int64{}}
	if err := e.readTopics(ctx, r.logs); err != nil {
		return nil, err
	}
	for _, list := range []string{"default", "meta"} {
		entries, err := r.watch.api.entries(ctx, list)
		if err != nil {
			return nil, err
		}
		e.standing[list] = entries
	}
	var err error
	if e.campaigns, err = r.market.reports(ctx); err != nil {
		return nil, err
	}
	e.sightings, e.lags = r.watch.seen()
	r.mu.Lock()
	e.calls, e.troubles = append([]call(nil), r.calls...), append([]incident(nil), r.incidents...)
	r.mu.Unlock()
	for _, g := range r.fleet {
		g.mu.Lock()
		e.deaths = append(e.deaths, g.deaths...)
		g.mu.Unlock()
		leaks, err := leaksIn(g)
		if err != nil {
			return nil, err
		}
		e.leaks = append(e.leaks, leaks...)
	}
	return e, nil
}

// personal is what no log may hold: the beginnings of all phones and message ids, and secrets.
var personal = []string{"4477009", "4477008", "GB.902", "wamid.", appSecret, apiToken, verifyToken, sendToken}

func leaksIn(g *gateway) (found []string, err error) {
	text, err := os.ReadFile(g.log.Name())
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", g.name, err)
	}
	for _, p := range personal {
		if n := strings.Count(string(text), p); n > 0 {
			found = append(found, fmt.Sprintf("the log of %s holds %q… %d times", g.name, p[:4], n))
		}
	}
	return found, nil
}
