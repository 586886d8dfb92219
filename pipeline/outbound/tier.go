package outbound

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"time"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
)

// conditions tells what Meta allows a channel. Its error means that nobody can know now.
type conditions interface {
	Condition(ctx context.Context, account, channel string) (channel.Condition, error)
}

// service tells who may be written anything, since they wrote or called within 24 h.
type service interface {
	InService(ctx context.Context, account, channel string, people []chat.Identifier) ([]bool, error)
}

// tiers counts the people that a portfolio reaches outside of service windows, over the whole fleet.
type tiers interface {
	TakeTier(ctx context.Context, account, portfolio string, limit int, people []chat.Pseudonym) (channel.Counted, error)
	NoteTier(ctx context.Context, account, portfolio string, people []chat.Pseudonym) error
	TierStands(ctx context.Context, account, portfolio, mark string) (bool, error)
	GiveBackTier(ctx context.Context, account, portfolio string, places []channel.Place) error
	ForgetTier(ctx context.Context, account, portfolio string) error
}

// recounter has people counted anew whose count was lost. It doesn't wait for that.
type recounter interface {
	Lost(account, portfolio string)
}

// Reach is what a lane counts people with. The zero Reach counts nobody.
type Reach struct {
	Service service
	Tiers   tiers
	Recount recounter
}

const (
	reachTime  = time.Second     // for one question about people
	uncounted  = time.Second     // how long messages wait while nobody can be counted
	lookPlaces = time.Minute     // how long a message waits for a place at most before it looks again
	leastPlace = 2 * time.Second // and at least
)

// counts says whether a message reaches somebody outside of a service window, if that is where they are. Only templates do:
// Meta refuses anything else there.
func counts(m chat.Outbound) bool {
	var kind struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(m.Message, &kind) == nil && kind.Type == "template"
}

// reach counts the people of messages that may be sent, and keeps those that have a place, or need none. The others wait.
func (r *run) reach(ctx context.Context, batch []*item) []*item {
	if r.Reach.Tiers == nil || len(batch) == 0 {
		return batch
	}
	var may []*item
	by := map[*queue][]*item{}
	var order []*queue
	for _, it := range batch {
		if !it.template {
			may = append(may, it)
			continue
		}
		if by[it.queue] == nil {
			order = append(order, it.queue)
		}
		by[it.queue] = append(by[it.queue], it)
	}
	for _, q := range order {
		may = append(may, r.reachBy(ctx, q, by[q])...)
	}
	return may
}

// reachBy is reach for templates of one channel.
func (r *run) reachBy(ctx context.Context, q *queue, batch []*item) (may []*item) {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	c, known := r.condition(ctx, q)
	switch {
	case !known:
		r.putOff(q, batch)
		return nil
	case c.Tier == channel.Unlimited:
		if !q.unlimited {
			q.unlimited = r.Reach.Tiers.ForgetTier(ctx, q.channel.Account, q.channel.Portfolio) == nil
		}
		for _, it := range batch {
			it.opens, it.mark = true, "" // perhaps: that matters to nobody until there is a limit
		}
		return batch
	}
	q.unlimited = false
	people := make([]chat.Identifier, len(batch))
	for i, it := range batch {
		people[i] = it.To
	}
	inside, err := r.Reach.Service.InService(ctx, q.channel.Account, q.channel.ID, people)
	if err != nil {
		r.wary(q, err)
		r.putOff(q, batch)
		return nil
	}
	var outside []*item
	for i, it := range batch {
		if it.opens = !inside[i]; it.opens {
			outside = append(outside, it)
		} else {
			may = append(may, it)
		}
	}
	return append(may, r.take(ctx, q, c.Tier, outside)...)
}

// take asks for places for people outside of a service window.
func (r *run) take(ctx context.Context, q *queue, limit int, batch []*item) (may []*item) {
	if len(batch) == 0 {
		return nil
	}
	people := make([]chat.Pseudonym, len(batch))
	for i, it := range batch {
		people[i] = it.Pseudonym
	}
	counted, err := r.Reach.Tiers.TakeTier(ctx, q.channel.Account, q.channel.Portfolio, limit, people)
	if err != nil {
		r.wary(q, err)
	} else if counted.Mark == "" {
		r.Reach.Recount.Lost(q.channel.Account, q.channel.Portfolio)
	}
	switch {
	case counted.Mark != "":
	case limit == 0:
		for _, it := range batch {
			it.loose, it.mark = true, ""
		}
		return batch
	default:
		r.putOff(q, batch)
		return nil
	}
	now := time.Now()
	for i, it := range batch {
		if place := counted.Places[i]; place.Given {
			if it.mark == counted.Mark && it.seat.At == place.Was {
				place.Was = it.seat.Was // it is the message's own, of its last try
			}
			it.seat, it.mark = place, counted.Mark
			may = append(may, it)
		} else {
			r.Metrics.Send(string(r.Kind), "tier_full")
			it.seat, it.mark, it.opens = channel.Place{}, "", false
			r.leave(it)
			wait := min(max(place.Retry, leastPlace), lookPlaces)
			r.delay(it, now.Add(wait+rand.N(wait/4))) //nolint:gosec // chance, not a secret
		}
	}
	return may
}

// sure keeps those whose count still stands now that their intents are in the log: what is lost from here on is counted anew
// out of them.
func (r *run) sure(ctx context.Context, batch []*item) []*item {
	if !slices.ContainsFunc(batch, func(it *item) bool { return it.loose || it.opens && it.mark != "" }) {
		return batch
	}
	type memory struct{ account, portfolio, mark string }
	stands := map[memory]bool{}
	may := batch[:0]
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	r.noteLoose(ctx, batch)
	for _, it := range batch {
		if it.mark == "" || !it.opens {
			may = append(may, it)
			continue
		}
		m := memory{it.Account, it.queue.channel.Portfolio, it.mark}
		ok, asked := stands[m]
		if !asked {
			var err error
			if ok, err = r.Reach.Tiers.TierStands(ctx, m.account, m.portfolio, m.mark); err != nil {
				r.wary(it.queue, err)
			}
			stands[m] = ok
		}
		if ok {
			may = append(may, it)
			continue
		}
		r.unreached(it)
		r.leave(it)
		r.again(it)
		r.delay(it, time.Now().Add(uncounted))
	}
	return may
}

// noteLoose counts people whom nobody could count before, and whom no limit that is known keeps waiting. Whoever counts anew
// just now may have read the intents before theirs were there.
func (r *run) noteLoose(ctx context.Context, batch []*item) {
	by := map[*queue][]chat.Pseudonym{}
	for _, it := range batch {
		if it.loose {
			it.loose = false
			by[it.queue] = append(by[it.queue], it.Pseudonym)
		}
	}
	for q, people := range by {
		if err := r.Reach.Tiers.NoteTier(ctx, q.channel.Account, q.channel.Portfolio, people); err != nil {
			r.wary(q, err)
		}
	}
}

// putOff lets templates of a channel wait while nobody can be counted, and those that come next without asking the gate.
func (r *run) putOff(q *queue, batch []*item) {
	q.uncounted = time.Now().Add(uncounted)
	for _, it := range batch {
		r.leave(it)
		r.delay(it, q.uncounted)
	}
}

func (r *run) wary(q *queue, err error) {
	r.Log.Warn().Str("lane", string(r.Kind)).Str("account", q.channel.Account).Str("channel", q.channel.ID).Err(err).Msg("people can't be counted: templates wait")
}

// unreached notes that nothing has reached a person by this message. It keeps its place for another try.
func (r *run) unreached(it *item) { it.opens = false }

// release lets go of a message's place, if nobody was reached under it. That must be in the log by then: whoever counts anew
// would else count the person, who then needs no place, beside the one who has the place now.
func (r *run) release(it *item) {
	if it.mark != "" && !it.opens {
		it.queue.back = append(it.queue.back, it.seat)
		it.seat, it.mark = channel.Place{}, ""
	}
}

// giveBack gives places back that nobody was reached under. Those that can't be given back stay taken for a day.
func (r *run) giveBack(ctx context.Context) {
	for _, q := range r.ring {
		if len(q.back) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, reachTime)
		if err := r.Reach.Tiers.GiveBackTier(ctx, q.channel.Account, q.channel.Portfolio, q.back); err != nil {
			r.wary(q, err)
		}
		cancel()
		q.back = nil
	}
}

// condition gives what Meta allows a channel, as it is now or as it was last known; known is false where it never was.
func (r *run) condition(ctx context.Context, q *queue) (c channel.Condition, known bool) {
	if r.Conditions == nil {
		return channel.Condition{}, true
	}
	if c, err := r.Conditions.Condition(ctx, q.channel.Account, q.channel.ID); err == nil {
		q.condition, q.known = c, true
	}
	return q.condition, q.known
}
