package ingress

import (
	"context"
	"slices"
	"sync"
)

const (
	large   = 64 << 10 // bytes from which a webhook waits for its turn
	abreast = 4 << 20  // bytes of large webhooks that are on their way to Kafka at once
)

// turns lets large webhooks go to Kafka a few at a time, in the order in which they come. What is on its way before a small
// one is what it has to wait for: with 32 webhooks of 3 MiB in front, that took seconds.
type turns struct {
	mu      sync.Mutex
	taken   int
	waiting []*turn
}

type turn struct {
	bytes int
	mine  chan struct{}
}

// take waits for a turn, until ctx ends.
func (t *turns) take(ctx context.Context, bytes int) error {
	w := &turn{bytes, make(chan struct{})}
	t.mu.Lock()
	t.waiting = append(t.waiting, w)
	t.next()
	t.mu.Unlock()
	select {
	case <-w.mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := slices.Index(t.waiting, w); at >= 0 {
		t.waiting = slices.Delete(t.waiting, at, at+1)
	} else {
		t.taken -= bytes
	}
	t.next()
	return context.Cause(ctx)
}

// give ends a turn.
func (t *turns) give(bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken -= bytes
	t.next()
}

// next begins the turns for which there is room; one always may. The mutex is held.
func (t *turns) next() {
	for len(t.waiting) > 0 && (t.taken == 0 || t.taken+t.waiting[0].bytes <= abreast) {
		t.taken += t.waiting[0].bytes
		close(t.waiting[0].mine)
		t.waiting = slices.Delete(t.waiting, 0, 1)
	}
}
