package crowd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"optgate/bench/load/offer"
)

// Group is what came of those who behave alike.
type Group struct {
	Kind    string      `json:"kind"`    // idle, drip, large or batch
	Asked   int         `json:"asked"`   // connections that there should be
	Stood   int         `json:"stood"`   // connections at the end
	Closed  int         `json:"closed"`  // connections that the server ended; each was opened again
	Refused int         `json:"refused"` // times that the server said 503, or took no connection
	Answers map[int]int `json:"answers"` // by status
	Kept    offer.Kept  `json:"kept"`    // answered 200
	Unsure  int         `json:"unsure"`  // webhooks sent as a whole, or nearly, without an answer
}

// String gives it in one line.
func (g Group) String() string {
	parts := []string{fmt.Sprintf("%s: %d of %d connections stood, %d were closed, %d times refused", g.Kind, g.Stood, g.Asked, g.Closed, g.Refused)}
	for _, status := range slices.Sorted(maps.Keys(g.Answers)) {
		parts = append(parts, fmt.Sprintf("%d answered %d", g.Answers[status], status))
	}
	return strings.Join(parts, ", ")
}

// group is one that goes on.
type group struct {
	mu sync.Mutex
	Group

	over bool
}

func (g *group) came(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.Stood += n
	}
}

// went says that the server ended a connection.
func (g *group) went() {
	g.came(-1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Closed++
}

func (g *group) unreached() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Refused++
}

// answered files an answer; items are those of the webhook, 0 where it was none.
func (g *group) answered(status, items int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Answers[status]++
	switch {
	case status == 503:
		g.Refused++
	case status == 200 && items > 0:
		g.Kept = g.Kept.Plus(offer.Kept{Webhooks: 1, Items: items})
	}
}

func (g *group) unsure() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Unsure++
}

// end says that from now on nobody counts who comes and goes.
func (g *group) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
}
