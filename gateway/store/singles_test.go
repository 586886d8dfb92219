package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"optgate/gateway/store"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// factLog is one partition of outcomes, in memory.
type factLog struct {
	mu      sync.Mutex
	records []stream.Record
	first   int64
	late    time.Duration // added to the worker's clock
}

func (l *factLog) tell(t *testing.T, facts ...chat.Fact) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range facts {
		f.V, f.Account = 1, "acme"
		value, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		l.records = append(l.records, stream.Record{
			Offset: l.first + int64(len(l.records)), Key: []byte(f.Broadcast), Value: value, Time: time.UnixMilli(f.At)})
	}
}

func (l *factLog) Ends(context.Context, stream.Topic, int) (first, end int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.first + int64(len(l.records)), nil
}

func (l *factLog) Since(_ context.Context, _ stream.Topic, _ int, t time.Time) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if !r.Time.Before(t) {
			return r.Offset, nil
		}
	}
	return l.first + int64(len(l.records)), nil
}

// cut loses the first records, as retention does.
func (l *factLog) cut(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records, l.first = l.records[n:], l.first+int64(n)
}

type factFollower struct {
	l    *factLog
	next int64
}

func (f *factFollower) Close() {}

// Next gives a few records at once, so that a fold takes several.
func (f *factFollower) Next(ctx context.Context) (stream.Round, error) {
	f.l.mu.Lock()
	rest := f.l.records[max(f.next-f.l.first, 0):]
	f.l.mu.Unlock()
	if len(rest) == 0 && !shard.Sleep(ctx, 5*time.Millisecond) {
		return stream.Round{}, ctx.Err()
	}
	rest = rest[:min(len(rest), 3)]
	f.next += int64(len(rest))
	return stream.Round{Records: rest}, ctx.Err()
}

// singles runs a worker on a log.
func singles(t *testing.T, s *store.Store, l *factLog, at int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	w := &broadcast.Singles{
		Shard: at, Outcomes: s, Reader: l, Logger: zerolog.Nop(),
		Follow: func(from int64) shard.Follower { return &factFollower{l, from} },
		Now: func() time.Time {
			l.mu.Lock()
			defer l.mu.Unlock()
			return time.Now().Add(l.late)
		},
	}
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return sync.OnceFunc(func() {
		cancel()
		<-done
	})
}

// became waits until a message is folded as wanted.
func became(t *testing.T, s *store.Store, id string, want broadcast.SingleOutcome) {
	t.Helper()
	var got broadcast.SingleOutcome
	var err error
	for range 1000 {
		if got, _, err = s.Single(t.Context(), "acme", id); err == nil && got == want {
			return
		}
		shard.Sleep(t.Context(), 10*time.Millisecond)
	}
	t.Fatalf("%s: %v (-want +got):\n%s", id, err, cmp.Diff(want, got))
}

const oneMessage = "m.one"

// life is all that is ever told of a message, and what it comes to.
func life(made time.Time) (facts []chat.Fact, want broadcast.SingleOutcome) {
	at := made.UnixMilli()
	facts = []chat.Fact{
		{ID: oneMessage, Status: chat.Queued, At: at, To: "phone:447700900101", Channel: "wa", Category: chat.Utility},
		{ID: oneMessage, Status: chat.Unknown, Error: "Interrupted", At: at + 1},
		{ID: oneMessage, Status: chat.Sent, MessageID: "wamid.1", At: at + 2},
		{ID: oneMessage, Status: chat.Delivered, MessageID: "wamid.1", At: at + 3},
		{ID: oneMessage, Status: chat.Read, MessageID: "wamid.1", At: at + 4},
	}
	want = broadcast.SingleOutcome{To: "phone:447700900101", Channel: "wa", Category: chat.Utility, Created: at}
	want.Status, want.MessageID, want.At, want.Sent, want.Delivered, want.Read = chat.Read, "wamid.1", at+4, at+2, at+3, at+4
	return facts, want
}

func TestSingleMessagesFoldInAnyOrder(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		at := testShards.Outcomes("acme", "", oneMessage)
		for range 20 {
			id := oneMessage
			for id == oneMessage || testShards.Outcomes("acme", "", id) != at {
				id = fmt.Sprintf("%s%d", oneMessage, rand.Int())
			}
			facts, want := life(time.Now().Add(-time.Minute))
			for i := range facts {
				facts[i].ID = id
			}
			facts = append(facts, facts...)
			rand.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
			l := &factLog{}
			l.tell(t, chat.Fact{ID: "b1.1", Broadcast: "b1", Row: 1, Status: chat.Sent})
			l.tell(t, chat.Fact{ID: "confirmation", Status: chat.Sent})
			l.tell(t, facts...)
			if err := s.BeginSingles(t.Context(), at, 0, 0); err != nil {
				t.Fatal(err)
			}
			stop := singles(t, s, l, at)
			became(t, s, id, want)
			stop()
		}
	})
}

func TestSingleMessagesAreFoldedAnewAfterALoss(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, wipe func()) {
		at, l := testShards.Outcomes("acme", "", oneMessage), &factLog{}
		uncertain := func(when string) {
			t.Helper()
			if o, _, err := s.Single(t.Context(), "acme", oneMessage); fault.KindOf(err) != fault.NotCertain {
				t.Errorf("%s: %+v, %v", when, o, err)
			}
		}
		uncertain("before anybody has folded")
		ancient := "m.old"
		for testShards.Outcomes("acme", "", ancient) != at {
			ancient += "er"
		}
		old := time.Now().Add(-broadcast.SinglesKept - time.Hour)
		for i := range 7 {
			l.tell(t, chat.Fact{ID: ancient, Row: i, Status: chat.Queued, At: old.UnixMilli(), To: "phone:1", Channel: "wa"})
		}
		facts, want := life(time.Now().Add(-broadcast.SinglesKept + time.Hour))
		l.tell(t, facts...)
		stop := singles(t, s, l, at)
		became(t, s, oneMessage, want)
		became(t, s, ancient, broadcast.SingleOutcome{})

		wipe() // under a worker that nobody tells anything
		uncertain("after the loss")
		l.mu.Lock()
		l.late = 2 * time.Second // it looks whether all is there
		l.mu.Unlock()
		became(t, s, oneMessage, want)

		stop()
		wipe()
		if err := s.BeginSingles(t.Context(), at, 3, 9); err != nil {
			t.Fatal(err)
		}
		uncertain("while it is folded anew")
		l.cut(5) // the log no longer holds where the fold stands
		stop = singles(t, s, l, at)
		defer stop()
		became(t, s, oneMessage, want)
	})
}

func TestTwoWorkersFoldAsOne(t *testing.T) {
	eachRedis(t, func(t *testing.T, s *store.Store, _ func()) {
		at, l := testShards.Outcomes("acme", "", oneMessage), &factLog{}
		facts, want := life(time.Now())
		defer singles(t, s, l, at)()
		defer singles(t, s, l, at)()
		for _, f := range facts {
			l.tell(t, f)
		}
		became(t, s, oneMessage, want)
		if err := s.FoldSingles(t.Context(), at, 0, 2, facts); err == nil {
			t.Error("what was folded before is folded again")
		}
	})
}

// TestMemoryOfSingleMessages writes what a message takes in Redis; a real one tells, the embedded one can't.
func TestMemoryOfSingleMessages(t *testing.T) {
	server := miniredis.RunT(t)
	address, most := server.Addr(), 20_000
	running := os.Getenv("OPTGATE_TEST_REDIS")
	if running != "" {
		address, most = running, 100_000
	}
	s := store.Open(store.Config{Addresses: []string{address}, Prefix: "memory.", Shards: 2})
	client := redis.NewClient(&redis.Options{Addr: address})
	t.Cleanup(func() {
		if err := flush(context.WithoutCancel(t.Context()), client); err != nil {
			t.Error(err)
		}
		_, _ = client.Close(), s.Close()
	})
	if err := flush(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	used := func() int {
		for line := range strings.Lines(client.Info(t.Context(), "memory").Val()) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
				bytes, _ := strconv.Atoi(n)
				return bytes
			}
		}
		return 0
	}
	before, offset := used(), int64(0)
	if err := s.BeginSingles(t.Context(), 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	for offset < int64(most) {
		var facts []chat.Fact
		for i := range int64(1000) {
			id := fmt.Sprintf("m.%020d", offset+i)
			now := time.Now().UnixMilli()
			wamid := fmt.Sprintf("wamid.HBgMNDQ3NzAwOTAw%032d", offset+i)
			facts = append(facts,
				chat.Fact{ID: id, Account: "acme", Status: chat.Queued, At: now, To: "phone:447700900101", Channel: "wa", Category: chat.Utility},
				chat.Fact{ID: id, Account: "acme", Status: chat.Sent, At: now, MessageID: wamid},
				chat.Fact{ID: id, Account: "acme", Status: chat.Read, At: now, MessageID: wamid})
		}
		if err := s.FoldSingles(t.Context(), 0, offset, offset+1000, facts); err != nil {
			t.Fatal(err)
		}
		offset += 1000
	}
	keys := client.Keys(t.Context(), "memory.*").Val()
	if len(keys) != 17 {
		t.Errorf("%d keys for %d messages", len(keys), most)
	}
	for _, key := range keys {
		if ttl := client.TTL(t.Context(), key).Val(); !strings.HasSuffix(key, "singles") && (ttl < broadcast.SinglesKept || ttl > 2*broadcast.SinglesKept) {
			t.Errorf("%s ends in %v", key, ttl)
		}
	}
	if running != "" {
		each := (used() - before) / most
		t.Logf("%d bytes of Redis a message", each)
		if each > 400 {
			t.Errorf("a message takes %d bytes", each)
		}
	}
}
