package fake

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// postman delivers what falls due later: receipts of sends, many in one body.
type postman struct {
	meta *Meta
	wake chan struct{}

	mu     sync.Mutex
	random *rand.Rand
	due    dueList
}

// maxReceipts is how many go into one body, and maxPosts how many bodies are under way at a time.
const (
	maxReceipts = 100
	maxPosts    = 8
)

func newPostman(m *Meta, seed uint64) *postman {
	return &postman{meta: m, wake: make(chan struct{}, 1), random: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // it must repeat
}

// told plans what will be told of an accepted send.
func (p *postman) told(s Send) {
	if p.meta.options.Webhook == "" || s.Outcome.Silent {
		return
	}
	statuses := p.meta.options.Receipts
	if s.Outcome.Failed != 0 {
		statuses = []string{"failed"}
	}
	person := Person{Phone: s.Person}
	if s.Person != "" && (s.Person[0] < '0' || s.Person[0] > '9') {
		person = Person{BSUID: s.Person}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, status := range statuses {
		delay := time.Duration(float64(p.meta.options.ReceiptDelay) * (float64(i+1) + p.random.Float64()*1.2 - 0.6))
		at := time.Now().Add(delay)
		heap.Push(&p.due, due{at, Receipt(Number{ID: s.Number}, person, Told{
			MessageID: s.MessageID, Status: status, Code: s.Outcome.Failed, Callback: s.Callback,
		}, at)})
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *postman) run(ctx context.Context) {
	free := make(chan struct{}, maxPosts)
	var posts sync.WaitGroup
	defer posts.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		events, next := p.take(time.Now())
		if len(events) == 0 {
			timer.Reset(next)
			select {
			case <-timer.C:
			case <-p.wake:
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		posts.Go(func() {
			defer func() { <-free }()
			p.meta.Deliver(ctx, Body(events...)) //nolint:errcheck // it fails only when ctx has ended
		})
	}
}

// take gives the events that are due, or how long none will be.
func (p *postman) take(now time.Time) (events []Event, next time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.due) > 0 && len(events) < maxReceipts && !p.due[0].at.After(now) {
		events = append(events, heap.Pop(&p.due).(due).event)
	}
	if len(p.due) == 0 {
		return events, time.Hour
	}
	return events, p.due[0].at.Sub(now)
}

type due struct {
	at    time.Time
	event Event
}

// dueList is a heap by time.
type dueList []due

func (l dueList) Len() int           { return len(l) }
func (l dueList) Less(i, j int) bool { return l[i].at.Before(l[j].at) }
func (l dueList) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }

// Push adds an element, for container/heap.
func (l *dueList) Push(x any) { *l = append(*l, x.(due)) }

// Pop takes the last element, for container/heap.
func (l *dueList) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}

// Told is what a receipt tells.
type Told struct {
	MessageID string
	Status    string // sent, delivered, read, played, failed
	Code      int    // of a failure
	Callback  string
}

// Receipt makes a status of a message of ours.
func Receipt(n Number, to Person, told Told, at time.Time) Event {
	item := map[string]any{"id": told.MessageID, "status": told.Status, "timestamp": strconv.FormatInt(at.Unix(), 10)}
	put(item, "recipient_id", to.Phone)
	put(item, "recipient_user_id", to.BSUID)
	put(item, "recipient_parent_user_id", to.Parent)
	put(item, "biz_opaque_callback_data", told.Callback)
	if told.Code != 0 {
		item["errors"] = []any{map[string]any{"code": told.Code, "title": "told to", "message": "told to", "error_data": map[string]any{"details": "told to"}}}
	}
	return Event{Kind: "receipt", To: n, Field: "messages", Array: "statuses", Item: item, From: to, ID: told.MessageID}
}
