package api_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"optgate/pipeline/access"
	"optgate/ratelimit"
)

// Tokens gives an account's tokens as they are now.
func (w *world) Tokens(ctx context.Context, account string, _ time.Time) (tokens access.Tokens, err error) {
	states, err := w.States(ctx, shards.Account(account), access.TokensKey(account))
	if err != nil || states[0] == nil {
		return tokens, err
	}
	return tokens, json.Unmarshal(states[0], &tokens)
}

// Audit pages through an account's audit.
func (w *world) Audit(_ context.Context, account string, since time.Time, after string, limit int) (page []access.Entry, next string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	states := w.states[shards.Account(account)]
	var places []string
	for key := range states {
		of, place, ok := access.ParseAuditKey(key)
		if ok && of == account && place >= access.PlaceAfter(since) && (after == "" || place < after) {
			places = append(places, place)
		}
	}
	slices.SortFunc(places, func(a, b string) int { return strings.Compare(b, a) })
	if len(places) > limit {
		places, next = places[:limit], places[limit-1]
	}
	for _, place := range places {
		e := access.Entry{Place: place}
		if err := json.Unmarshal(states[access.AuditKey(account, place)], &e); err != nil {
			return nil, "", err
		}
		page = append(page, e)
	}
	return page, next, w.failed
}

// countingWindows counts calls by what they are counted under, and refuses none.
type countingWindows map[string]int

func (c countingWindows) Take(_ context.Context, key string, limit int, period time.Duration) (ratelimit.Decision, error) {
	c[key]++
	return ratelimit.Decision{Rule: ratelimit.Rule{Limit: limit, Period: period}, Allowed: true}, nil
}
