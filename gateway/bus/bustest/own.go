package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"optgate/pipeline/stream"
)

func one(value string) []*stream.Record {
	return []*stream.Record{{Key: []byte(value), Value: []byte(value)}}
}

// olderOwnersAreRefused: after a claim nothing of an older owner gets into any log of the partition, whoever is faster.
func olderOwnersAreRefused(h *harness) {
	b, other := h.ready(), h.open()
	older, newer := b.Own("shard", 1), other.Own("shard", 1)
	if _, err := older.Append(h.ctx, stream.State, one("unclaimed")); !errors.Is(err, stream.ErrDeposed) {
		h.Errorf("appended without a claim: %v", err)
	}
	h.must(older.Claim(h.ctx))
	for i := range 3 {
		_, err := older.Append(h.ctx, stream.State, one(fmt.Sprint("old", i)))
		h.must(err)
		_, err = older.Append(h.ctx, stream.Consent, one(fmt.Sprint("old", i)))
		h.must(err)
	}
	if older.Idle() > 10*time.Second || older.Idle() < 0 {
		h.Errorf("idle for %v", older.Idle())
	}
	h.must(newer.Claim(h.ctx)) // refuses nobody yet, on Apache Kafka
	for _, topic := range []stream.Topic{stream.State, stream.Consent} {
		base, err := newer.Append(h.ctx, topic, one("claim"))
		h.must(err)
		if got, err := b.At(h.ctx, topic, 1, base); err != nil || string(got.Key) != "claim" {
			h.Errorf("at %d of %s stands %q (%v)", base, topic, got.Key, err)
		}
	}
	_, err := older.Append(h.ctx, stream.State, one("zombie"))
	if !errors.Is(err, stream.ErrDeposed) {
		h.Errorf("an older owner appended to state: %v", err)
	}
	if _, err := older.Append(h.ctx, stream.Consent, one("zombie")); !errors.Is(err, stream.ErrDeposed) {
		h.Errorf("a deposed owner appended to consent: %v", err)
	}
	records := []*stream.Record{{Key: []byte("a")}, {Key: []byte("b"), Value: []byte("2")}, {Key: []byte("c")}}
	base, err := newer.Append(h.ctx, stream.State, records)
	h.must(err)
	if records[2].Offset != base+2 || records[0].Topic != stream.State || records[1].Partition != 1 {
		h.Errorf("places were not set: %+v", records[2])
	}
	for _, r := range h.all(b, stream.State, 1) {
		if string(r.Key) == "zombie" {
			h.Errorf("a zombie's record stands at %d", r.Offset)
		}
	}
}

// manyOwnersOneLog: dozens claim and append at once. Whatever was acknowledged stands once, in one unbroken run per claim:
// nobody's record stands after a later owner's first.
func manyOwnersOneLog(h *harness) {
	b := h.ready()
	const owners, appends = 12, 8
	var mu sync.Mutex
	acknowledged := map[string]int64{}
	var wg sync.WaitGroup
	for o := range owners {
		wg.Go(func() {
			owned := b.Own("shard", 0)
			for claim := range 3 {
				if err := owned.Claim(h.ctx); err != nil {
					h.Error(err)
					return
				}
				for a := range appends {
					value := fmt.Sprintf("%d/%d/%d", o, claim, a)
					base, err := owned.Append(h.ctx, stream.Consent, one(value))
					if errors.Is(err, stream.ErrDeposed) {
						break
					}
					if err != nil {
						h.Error(err)
						return
					}
					mu.Lock()
					acknowledged[value] = base
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	over := map[string]bool{}
	previous := ""
	for _, r := range h.all(b, stream.Consent, 0) {
		value := string(r.Value)
		if base, ok := acknowledged[value]; ok && base != r.Offset {
			h.Errorf("%s stands at %d, and %d was told", value, r.Offset, base)
		}
		delete(acknowledged, value)
		reign := value[:len(value)-2]
		if reign != previous {
			if over[reign] {
				h.Errorf("%s appended after it was deposed", reign)
			}
			over[previous], previous = true, reign
		}
	}
	if len(acknowledged) > 0 {
		h.Errorf("acknowledged and not there: %v", acknowledged)
	}
	if len(over) < 2 {
		h.Errorf("only %d reigns, so nothing was tried", len(over))
	}
}

// ownedRepeatsAreSwallowed: a batch whose acknowledgement got lost stands there once, and the next goes on after it.
func ownedRepeatsAreSwallowed(h *harness) {
	w := &wire{}
	b := h.ready(w.apply)
	owned := b.Own("shard", 2)
	h.must(owned.Claim(h.ctx))
	for i := range 10 {
		if i%2 == 1 {
			w.loseAnswers.Store(2)
		}
		base, err := owned.Append(h.ctx, stream.Consent, append(one(fmt.Sprint("a", i)), one(fmt.Sprint("b", i))...))
		h.must(err)
		if base != int64(2*i) {
			h.Errorf("batch %d stands at %d", i, base)
		}
	}
	if n := len(h.all(b, stream.Consent, 2)); n != 20 {
		h.Errorf("%d records of 20", n)
	}
}

// doubtEndsAReign: when it is unknown whether a batch was kept, nothing is appended before the next claim, since Kafka
// could take it for the repeat of the former.
func doubtEndsAReign(h *harness) {
	w := &wire{}
	b := h.ready(w.apply)
	owned := b.Own("shard", 3)
	h.must(owned.Claim(h.ctx))
	_, err := owned.Append(h.ctx, stream.Consent, one("first"))
	h.must(err)
	short, cancel := context.WithTimeout(h.ctx, 300*time.Millisecond)
	defer cancel()
	w.loseAnswers.Store(1_000_000)
	if _, err := owned.Append(short, stream.Consent, one("doubtful")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, stream.ErrDeposed) {
		h.Errorf("an append without an answer: %v", err)
	}
	w.loseAnswers.Store(0)
	if _, err := owned.Append(h.ctx, stream.Consent, one("swallowed")); !errors.Is(err, stream.ErrDeposed) {
		h.Errorf("an append after doubt: %v", err)
	}
	h.must(owned.Claim(h.ctx))
	_, err = owned.Append(h.ctx, stream.Consent, one("last"))
	h.must(err)
	got := h.all(b, stream.Consent, 3)
	if len(got) != 3 || string(got[1].Value) != "doubtful" || string(got[2].Value) != "last" {
		h.Errorf("%d records, %v", len(got), got)
	}
}

// ownersShareRequests: what many owners append at once takes few requests, each owner's batch stands whole and in its order,
// and one alone waits for no company. One that is refused spoils nobody else's.
func ownersShareRequests(h *harness) {
	w := &wire{}
	b := h.ready(w.apply)
	topics := []stream.Topic{stream.State, stream.Consent, stream.IntentsReplies, stream.IntentsBulk}
	const appends = 25
	large := bytes.Repeat([]byte("x"), 64<<10) // so that a request takes a while
	before := w.produced.Load()
	var claims, wg sync.WaitGroup
	for _, topic := range topics {
		claims.Add(b.Partitions(topic))
	}
	for _, topic := range topics {
		for p := range b.Partitions(topic) {
			older := b.Own(string(topic), p)
			h.must(older.Claim(h.ctx))
			wg.Go(func() {
				owned := b.Own(string(topic), p)
				err := owned.Claim(h.ctx)
				claims.Done()
				if err != nil {
					h.Error(err)
					return
				}
				claims.Wait()
				next := int64(-1)
				for i := range appends {
					base, err := owned.Append(h.ctx, topic, []*stream.Record{{Key: fmt.Append(nil, i), Value: large}, {Key: fmt.Append(nil, i)}})
					if err != nil || next >= 0 && base != next {
						h.Errorf("batch %d of %s/%d stands at %d, not at %d: %v", i, topic, p, base, next, err)
						return
					}
					next = base + 2
					if i == 0 {
						wg.Go(func() { // in the midst of all the others, also of its own partition's
							if _, err := older.Append(h.ctx, topic, one("zombie")); !errors.Is(err, stream.ErrDeposed) {
								h.Errorf("an older owner appended to %s/%d: %v", topic, p, err)
							}
						})
					}
				}
			})
		}
	}
	wg.Wait()
	owners := 0
	for _, topic := range topics {
		owners += b.Partitions(topic)
	}
	if n := int(w.produced.Load() - before); n > owners*appends*9/10 {
		h.Errorf("%d appends of %d owners took %d requests", owners*appends, owners, n)
	}
	lone := b.Own("lone", 0)
	h.must(lone.Claim(h.ctx))
	began := time.Now()
	for range 20 {
		_, err := lone.Append(h.ctx, stream.Consent, one("lone"))
		h.must(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		h.Errorf("20 lone appends took %v: something waits for company", took)
	}
}

// gapsAreRefused: Kafka takes no batch whose forerunner it has not seen. The suite itself speaks here, since no Owned does so.
func gapsAreRefused(h *harness) {
	b := h.ready()
	owned := b.Own("shard", 0)
	h.must(owned.Claim(h.ctx))
	_, err := owned.Append(h.ctx, stream.Consent, one("0"))
	h.must(err)
	name := h.prefix + string(stream.Consent)
	s := h.session(h.prefix + "gap")
	if err := h.rawProduce(name, s, 0, "1"); err != nil {
		h.Errorf("the first batch: %v", err)
	}
	if err := h.rawProduce(name, s, 5, "6"); err == nil {
		h.Error("a batch with a gap before it was taken")
	}
	if err := h.rawProduce(name, s, 1, "2"); err != nil {
		h.Errorf("the next batch: %v", err)
	}
	if err := h.rawProduce(name, s, 1, "2"); err != nil {
		h.Errorf("the repeat: %v", err)
	}
	if n := len(h.all(b, stream.Consent, 0)); n != 3 {
		h.Errorf("%d records of 3", n)
	}
}
