package main

import (
	"context"
	"sync"
	"time"
)

// sighting is an opt-out that the API has shown: from then on it was certainly in force.
type sighting struct {
	who   string
	since int64     // ms since 1970, of what was said
	from  time.Time // when the first answer that held it had come
	until time.Time // when the first answer without it, or with a later one, had been asked for; zero: it is still there
}

// watcher looks at the Default list all the time.
type watcher struct {
	api *api

	mu      sync.Mutex
	present map[string]*sighting
	gone    []sighting
	lags    []lag
}

// lag is how late this very process was at a time: what it saw then, it may have seen so much later.
type lag struct {
	at time.Time
	by time.Duration
}

const (
	lookEvery  = 250 * time.Millisecond
	pulseEvery = 10 * time.Millisecond
)

func newWatcher(a *api) *watcher { return &watcher{api: a, present: map[string]*sighting{}} }

// run looks until ctx ends. An answer that doesn't come says nothing.
func (w *watcher) run(ctx context.Context) {
	for pause(ctx, lookEvery) {
		asked := time.Now()
		entries, err := w.api.entries(ctx, "default")
		if err == nil {
			w.note(entries, asked, time.Now())
		}
	}
}

func (w *watcher) note(entries map[string]int64, asked, answered time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for who, s := range w.present {
		if entries[who] != s.since {
			s.until = asked
			w.gone = append(w.gone, *s)
			delete(w.present, who)
		}
	}
	for who, since := range entries {
		if w.present[who] == nil {
			w.present[who] = &sighting{who: who, since: since, from: answered}
		}
	}
}

// pulse measures how late this process is, until ctx ends.
func (w *watcher) pulse(ctx context.Context) {
	for due := time.Now().Add(pulseEvery); pause(ctx, time.Until(due)); due = time.Now().Add(pulseEvery) {
		if by := time.Since(due); by > pulseEvery {
			w.mu.Lock()
			w.lags = append(w.lags, lag{due, by})
			w.mu.Unlock()
		}
	}
}

// seen gives all sightings and how late this process was.
func (w *watcher) seen() ([]sighting, []lag) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := append([]sighting(nil), w.gone...)
	for _, s := range w.present {
		all = append(all, *s)
	}
	return all, append([]lag(nil), w.lags...)
}
