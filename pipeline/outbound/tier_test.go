package outbound_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/embedded"
	"optgate/gateway/store"
	condition "optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/outbound"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
	"optgate/ratelimit"
)

// crowd is where processes with lanes of their own share a tier, on a real bus and a real Redis inside the process.
type crowd struct {
	t       *testing.T
	bus     *bus.Bus
	redis   *redis.Client
	address string
	lanes   int

	mu      sync.Mutex
	tier    int
	served  map[chat.Identifier]bool // inside a service window
	refuse  map[string]bool          // ids that Meta refuses
	refused bool                     // it has refused one
	stale   bool                     // the message of that name is always too late
	reached map[chat.Pseudonym]bool  // outside of one
	called  map[string]int
}

func newCrowd(t *testing.T, lanes, tier int) *crowd {
	t.Helper()
	e, err := embedded.Start(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bus.Open(bus.Config{
		Brokers: []string{e.Kafka}, Prefix: "tier" + strconv.FormatUint(rand.Uint64(), 36) + ".", Shards: chat.Shards(2 * lanes), SingleCopy: true,
	}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Bootstrap(t.Context(), "crowd", ""); err != nil {
		t.Fatal(err)
	}
	c := &crowd{
		t: t, bus: b, redis: redis.NewClient(&redis.Options{Addr: e.Redis}), address: e.Redis, lanes: lanes, tier: tier,
		served: map[chat.Identifier]bool{}, refuse: map[string]bool{}, reached: map[chat.Pseudonym]bool{}, called: map[string]int{},
	}
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), c.redis.Close(), e.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// member is one process: a lane, and a store of its own.
type member struct {
	*crowd
	log    shard.Log
	cancel context.CancelFunc
	ended  chan struct{}

	mu   sync.Mutex
	dead bool
}

func (c *crowd) join(partition int) *member {
	ctx, cancel := context.WithCancel(c.t.Context())
	m := &member{crowd: c, log: c.bus.Own("lane.bulk.", partition), cancel: cancel, ended: make(chan struct{})}
	s := store.Open(store.Config{Addresses: []string{c.address}, Prefix: "crowd.", Shards: 4})
	directory := chat.NewDirectory([]string{account}, []chat.Channel{{Account: account, ID: "wa", Portfolio: "p", Rate: 1000}})
	recount := outbound.NewRecount(outbound.Recount{Lanes: c.lanes, Reader: c.bus, Since: c.bus.Since, Directory: directory, Counts: s, Log: zerolog.Nop()})
	lane := &outbound.Lane{
		Kind: outbound.Bulk, Partition: partition, Shards: chat.Shards(2 * c.lanes), Intents: m, Reader: c.bus, Publisher: m, Gate: m, Caller: m,
		Pace: m, Metrics: m, Follow: func(from int64) shard.Follower { return c.bus.Follow(stream.OutboundBulk, partition, from) },
		Directory: directory, Log: zerolog.Nop(), Conditions: m, Reach: outbound.Reach{Service: m, Tiers: s, Recount: recount},
	}
	var both sync.WaitGroup
	both.Go(func() {
		if err := recount.Run(ctx); err != nil {
			c.t.Error(err)
		}
	})
	both.Go(func() {
		if err := lane.Run(ctx); err != nil && !m.killed() && !errors.Is(err, stream.ErrDeposed) {
			c.t.Error(err)
		}
	})
	go func() {
		both.Wait()
		if err := s.Close(); err != nil {
			c.t.Error(err)
		}
		close(m.ended)
	}()
	c.t.Cleanup(m.leave)
	return m
}

func (m *member) leave() {
	m.cancel()
	<-m.ended
}

// kill lets nothing of the process reach anybody any more.
func (m *member) kill() {
	m.mu.Lock()
	m.dead = true
	m.mu.Unlock()
	m.cancel()
}

func (m *member) killed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

func (m *member) alive() error {
	if m.killed() {
		return errDead
	}
	return nil
}

func (m *member) Claim(ctx context.Context) error { return errors.Join(m.alive(), m.log.Claim(ctx)) }

func (m *member) Append(ctx context.Context, topic stream.Topic, records []*stream.Record) (int64, error) {
	if err := m.alive(); err != nil {
		return 0, err
	}
	base, err := m.log.Append(ctx, topic, records)
	return base, errors.Join(err, m.alive())
}

func (m *member) Idle() time.Duration { return m.log.Idle() }

func (m *member) Publish(ctx context.Context, records ...*stream.Record) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.bus.Publish(ctx, records...)
}

func (m *member) Ask(_ context.Context, questions []gate.Question) []gate.Answer {
	answers := make([]gate.Answer, len(questions))
	for i := range answers {
		answers[i] = yes()
	}
	return answers
}

func (m *member) Condition(context.Context, string, string) (condition.Condition, error) {
	m.crowd.mu.Lock()
	defer m.crowd.mu.Unlock()
	return condition.Condition{Tier: m.tier}, nil
}

func (m *member) InService(_ context.Context, _, _ string, people []chat.Identifier) ([]bool, error) {
	m.crowd.mu.Lock()
	defer m.crowd.mu.Unlock()
	inside := make([]bool, len(people))
	for i, p := range people {
		inside[i] = m.served[p]
	}
	return inside, nil
}

// Call is Meta's side too: whom it has reached it has reached.
func (m *member) Call(_ context.Context, o chat.Outbound, good time.Time) (string, error) {
	if err := m.alive(); err != nil {
		return "", err
	}
	<-time.After(time.Duration(rand.Int64N(int64(20 * time.Millisecond))))
	m.crowd.mu.Lock()
	defer m.crowd.mu.Unlock()
	switch {
	case m.refuse[o.ID]:
		m.refused = true
		return "", &outbound.Refusal{Code: 131026, Advice: outbound.Fail}
	case !time.Now().Before(good), m.stale && o.ID == "stale":
		return "", outbound.ErrStale
	case rand.IntN(50) == 0:
		return "", outbound.ErrNotSent
	}
	if strings.Contains(string(o.Message), "template") && !m.served[o.To] {
		m.reached[o.Pseudonym] = true
	}
	if m.called[o.ID]++; rand.IntN(20) == 0 {
		return "", errors.New("no answer")
	}
	return "wamid." + o.ID, nil
}

func (m *member) Reserve(_ context.Context, _ string, _ float64, n int, _ time.Duration) (ratelimit.Reservation, error) {
	return ratelimit.Reservation{Slots: n}, nil
}

func (m *member) Slow(string)                  {}
func (m *member) Send(string, string)          {}
func (m *member) Gate(string)                  {}
func (m *member) Dead(string)                  {}
func (m *member) Open(string, int)             {}
func (m *member) Called(string, time.Duration) {}

// publish sends templates to people, in one partition.
func (c *crowd) publish(partition int, messages ...chat.Outbound) {
	c.t.Helper()
	records := make([]*stream.Record, len(messages))
	for i, m := range messages {
		value, err := json.Marshal(m)
		if err != nil {
			c.t.Fatal(err)
		}
		records[i] = &stream.Record{Topic: stream.OutboundBulk, Partition: partition, Value: value}
	}
	if err := c.bus.Publish(c.t.Context(), records...); err != nil {
		c.t.Fatal(err)
	}
}

// template is one to a person.
func template(id string, person int) chat.Outbound {
	m := message(id)
	m.To, m.Pseudonym = chat.Identifier(fmt.Sprintf("phone:4477009%05d", person)), chat.Pseudonym(1000+person)
	m.Message = json.RawMessage(`{"type":"template","template":{"name":"offer","language":{"code":"en"}}}`)
	return m
}

func (c *crowd) count() (people int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.reached)
}

// until waits until something holds.
func (c *crowd) until(what string, holds func() bool) {
	c.t.Helper()
	look, late := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-late:
			c.t.Fatalf("%s: not in time; %d people reached", what, c.count())
		}
	}
}

// Ten processes share a tier of 250. Redis is wiped again and again while they send, and some of them are killed: all
// places are used, and never one more.
func TestATierIsNeverExceededUnderAttack(t *testing.T) {
	const processes, tier, each = 10, 250, 100
	c := newCrowd(t, processes, tier)
	members := make([]*member, processes)
	for n := range members {
		members[n] = c.join(n)
	}
	for page := range each / 10 {
		for n := range processes {
			var some []chat.Outbound
			for i := range 10 {
				at := page*10 + i
				some = append(some, template(fmt.Sprintf("m%d.%d", n, at), n*each+at))
			}
			c.publish(n, some...)
		}
		if err := c.redis.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if page%3 == 1 {
			members[page].kill()
			members[page] = c.join(page)
		}
		<-time.After(time.Duration(rand.Int64N(int64(500 * time.Millisecond))))
		if n := c.count(); n > tier {
			t.Fatalf("%d people", n)
		}
	}
	c.until("all places", func() bool {
		keys, err := c.redis.Keys(t.Context(), "*tier/acme/p").Result()
		return err == nil && len(keys) == 1 && c.redis.ZCard(t.Context(), keys[0]).Val() >= tier
	})
	if err := c.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	<-time.After(3 * time.Second)
	if n := c.count(); n > tier || n < tier-3*10 { // who was about to be called by the three killed counts, reached or not
		t.Errorf("%d people, the tier is %d", n, tier)
	}
}

func TestWhoIsCountedOrInsideTheirWindowNeedsNoPlace(t *testing.T) {
	c := newCrowd(t, 1, 1)
	c.served["phone:447700900002"] = true
	c.join(0)
	sent := func(id string) func() bool {
		return func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.called[id] > 0
		}
	}
	c.refuse["refused"] = true
	c.publish(0, template("refused", 9))
	c.until("a place is given back", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		keys, err := c.redis.Keys(t.Context(), "*tier/acme/p").Result()
		return err == nil && len(keys) == 0 && c.refused
	})
	c.publish(0, template("first", 1))
	c.until("the first", sent("first"))
	free := message("text")
	free.To, free.Pseudonym = "phone:447700900003", 1003
	c.publish(0, template("full", 4), template("again", 1), template("inside", 2), free)
	for _, id := range []string{"again", "inside", "text"} {
		c.until(id, sent(id))
	}
	if sent("full")() || c.count() != 1 {
		t.Errorf("%d people reached, tier of 1", c.count())
	}
}

// A message that is tried again keeps its person's place: its intent stands, so that whoever counts anew counts the person. With
// the place given to somebody else meanwhile, there would be one too many.
func TestWhoIsTriedAgainKeepsTheirPlace(t *testing.T) {
	c := newCrowd(t, 2, 1)
	c.stale = true
	c.join(0)
	c.join(1)
	c.publish(0, template("stale", 1))
	c.until("it is tried", func() bool {
		keys, err := c.redis.Keys(t.Context(), "*tier/acme/p").Result()
		return err == nil && len(keys) == 1
	})
	for n := range 30 {
		c.publish(1, template(fmt.Sprint("other", n), 2+n))
	}
	if err := c.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.stale = false
	c.mu.Unlock()
	c.until("somebody is reached", func() bool { return c.count() > 0 })
	<-time.After(3 * time.Second)
	if n := c.count(); n != 1 {
		t.Errorf("%d people, the tier is 1", n)
	}
}

func TestATierThatIsNotKnownKeepsNobodyWaiting(t *testing.T) {
	for _, tier := range []int{0, condition.Unlimited} {
		c := newCrowd(t, 1, tier)
		c.join(0)
		var all []chat.Outbound
		for n := range 300 {
			all = append(all, template(fmt.Sprintf("m%d", n), n))
		}
		c.publish(0, all...)
		c.until("all", func() bool { return c.count() == 300 })
		if tier == 0 {
			c.mu.Lock()
			c.tier = 250 // now it is known: those who were reached count
			c.mu.Unlock()
			c.publish(0, template("more", 900))
			<-time.After(2 * time.Second)
			if c.count() != 300 {
				t.Error("one more than there were before the tier was known")
			}
		}
	}
}
