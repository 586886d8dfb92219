package api_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
)

// offer is a broadcast's request.
func offer(recipients ...string) string {
	return `{"channel":"wa","category":"marketing","lists":["default"],"message":{"type":"text","text":{"body":"Hi"}},"recipients":[` +
		strings.Join(recipients, ",") + `]}`
}

func person(n int) string { return fmt.Sprintf(`{"to":"+4477009%05d"}`, n) }

func people(n int) (recipients []string) {
	for i := range n {
		recipients = append(recipients, person(i))
	}
	return recipients
}

type shownBroadcast struct {
	ID     string
	Status string
	Totals map[string]int
}

func totals(audience int, others map[string]int) map[string]int {
	t := map[string]int{
		"audience": audience, "duplicates": 0, "queued": 0, "skipped": 0, "sent": 0, "delivered": 0, "read": 0, "failed": 0,
		"unknown": 0, "cancelled": 0, "expired": 0,
	}
	maps.Copy(t, others)
	return t
}

func TestABroadcastIsPlannedAndShown(t *testing.T) {
	d := newDesk(t)
	var made, shown shownBroadcast
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(append(people(8), person(1), person(2))...)).is(http.StatusCreated, "").into(&made)
	want := shownBroadcast{made.ID, "planned", totals(8, map[string]int{"duplicates": 2, "queued": 8})}
	if diff := cmp.Diff(want, made); diff != "" || made.ID == "" {
		t.Errorf("made: %s", diff)
	}
	if b, err := d.Broadcast(t.Context(), broadcast.Ref{Account: "acme", ID: made.ID}); err != nil || b.Outcomes != 42 {
		t.Errorf("outcomes are folded from %+v %v", b, err)
	}
	d.facts = map[int]chat.Fact{1: {Status: chat.Skipped}, 2: {Status: chat.Sent}, 3: {Status: chat.Read}}
	want.Totals = totals(8, map[string]int{"duplicates": 2, "queued": 5, "skipped": 1, "sent": 1, "read": 1})
	d.call(t, "acme-read", "GET", "/v1/broadcasts/"+made.ID, "").is(http.StatusOK, "").into(&shown)
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("shown: %s", diff)
	}
	var list struct {
		Data []shownBroadcast
		Next *string
	}
	d.call(t, "acme-read", "GET", "/v1/broadcasts", "").is(http.StatusOK, "").into(&list)
	if diff := cmp.Diff([]shownBroadcast{want}, list.Data); diff != "" || list.Next != nil {
		t.Errorf("listed: %s", diff)
	}
	d.call(t, "globex-admin", "GET", "/v1/broadcasts", "").is(http.StatusOK, "").into(&list)
	if len(list.Data) != 0 {
		t.Errorf("another account's list: %v", list.Data)
	}
	for _, path := range []string{"/v1/broadcasts/" + made.ID, "/v1/broadcasts/" + made.ID + "/report?format=csv"} {
		d.call(t, "globex-admin", "GET", path, "").is(http.StatusNotFound, "not_found")
	}
	d.call(t, "acme-read", "GET", "/v1/broadcasts/none", "").is(http.StatusNotFound, "not_found")
	d.call(t, "acme-read", "POST", "/v1/broadcasts", offer(person(1))).is(http.StatusForbidden, "forbidden")
}

func TestABroadcastThatCanNotBeTaken(t *testing.T) {
	d := newDesk(t)
	post := func(body string) reply { return d.call(t, "acme-admin", "POST", "/v1/broadcasts", body) }
	got := post(`{"channel":"wb","category":"marketing","lists":[],"message":{"type":"text"}}`).is(http.StatusUnprocessableEntity, "invalid_fields").fields()
	if want := []string{"message.text required", "recipients required", "channel unknown_channel", "lists required"}; !slices.Equal(got, want) {
		t.Errorf("fields %q", got)
	}
	post(`[`).is(http.StatusBadRequest, "invalid_json")
	post(offer(slices.Repeat([]string{`{}`}, 10_001)...)).is(http.StatusRequestEntityTooLarge, "too_many_recipients")
	post(offer(`{"to":"`+strings.Repeat("x", 16<<20)+`"}`)).is(http.StatusRequestEntityTooLarge, "too_large")
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(1)), "Idempotency-Key", strings.Repeat("k", 256)).
		is(http.StatusBadRequest, "invalid_idempotency_key")
	if d.offset != 0 {
		t.Errorf("%d commands of broadcasts that were refused", d.offset)
	}
	d.away = errors.New("broker down")
	post(offer(person(1))).is(http.StatusServiceUnavailable, "unavailable")
}

func TestARepeatedIdempotencyKeyGetsTheSameAnswer(t *testing.T) {
	d := newDesk(t)
	var wg sync.WaitGroup
	answers := make([]string, 8)
	for i := range answers {
		wg.Go(func() {
			answers[i] = string(d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(people(1200)...), "Idempotency-Key", "order-7").
				is(http.StatusCreated, "").body)
		})
	}
	wg.Wait()
	if len(slices.Compact(answers)) != 1 {
		t.Errorf("answers %q", answers)
	}
	if d.states = maps.Clone(d.states); len(slices.Collect(func(yield func(string) bool) {
		for key := range d.states {
			if shard.Family(key) == "broadcast" && !yield(key) {
				return
			}
		}
	})) != 1 {
		t.Error("several broadcasts were made")
	}
	before := d.offset
	again := d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(people(1200)...), "Idempotency-Key", "order-7").is(http.StatusCreated, "")
	if strings.TrimSpace(string(again.body)) != strings.TrimSpace(answers[0]) || d.offset != before+1 { // its entry in the audit
		t.Errorf("later: %s after %d commands", again.body, d.offset-before)
	}
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(7)), "Idempotency-Key", "order-7").
		is(http.StatusUnprocessableEntity, broadcast.CodeKeyReused)
	d.call(t, "globex-admin", "POST", "/v1/broadcasts", strings.Replace(offer(person(7)), "wa", "wb", 1), "Idempotency-Key", "order-7").
		is(http.StatusCreated, "")
}

func TestABroadcastThatIsKeptAndNotDecidedYetIsAccepted(t *testing.T) {
	d := newDesk(t)
	d.asleep = true
	var made shownBroadcast
	d.call(t, "acme-admin", "POST", "/v1/broadcasts", offer(person(1))).is(http.StatusAccepted, "").into(&made)
	if made.ID == "" || made.Status != "planned" || made.Totals["queued"] != 1 {
		t.Errorf("%+v", made)
	}
}
