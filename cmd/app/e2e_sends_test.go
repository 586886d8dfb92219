package app_test

import (
	"fmt"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
	"optgate/pipeline/gate"
)

// confirmations gives the texts that Meta was given for somebody, as sends of type text.
func (w *world) confirmations(who fake.Person) (texts []fake.Send) {
	name := who.Phone
	if name == "" {
		name = who.BSUID
	}
	for _, s := range w.meta.To(name) {
		if s.Type == "text" {
			texts = append(texts, s)
		}
	}
	return texts
}

// confirmed waits until each of these has a confirmation.
func (w *world) confirmed(who ...fake.Person) {
	w.t.Helper()
	for _, p := range who {
		eventually(w.t, fmt.Sprintf("%+v has a confirmation", p), func() bool { return len(w.confirmations(p)) > 0 })
	}
}

// offers gives the calls of broadcasts, which send templates here, by person.
func offers(sends []fake.Send) map[string][]fake.Send {
	all := map[string][]fake.Send{}
	for _, s := range sends {
		if s.Type == "template" {
			all[s.Person] = append(all[s.Person], s)
		}
	}
	return all
}

// calledOnce checks that Meta was called at most once for each message.
func calledOnce(t *testing.T, sends []fake.Send) {
	t.Helper()
	times := map[string]int{}
	for _, s := range sends {
		if times[s.Callback]++; times[s.Callback] == 2 {
			t.Errorf("message %s was given to Meta twice", s.Callback)
		}
	}
}

// bulkEndsWithConfirmation checks that no call of a broadcast to a person begins after their confirmation's. It is for people
// who opt out and never in again.
func bulkEndsWithConfirmation(t *testing.T, sends []fake.Send) {
	t.Helper()
	confirmed := map[string]time.Time{}
	for _, s := range sends {
		if at, ok := confirmed[s.Person]; s.Type == "text" && (!ok || s.At.Before(at)) {
			confirmed[s.Person] = s.At
		}
	}
	for who, calls := range offers(sends) {
		for _, call := range calls {
			if at, ok := confirmed[who]; ok && call.At.After(at) {
				t.Errorf("a broadcast called somebody %v after their confirmation", call.At.Sub(at))
			}
		}
	}
}

// silentSince checks that no call began after what the gate had said before a moment was over.
func (w *world) silentSince(moment time.Time) {
	w.t.Helper()
	for _, s := range w.meta.Sends() {
		if late := s.At.Sub(moment); late > gate.Good+50*time.Millisecond { // a call takes a moment to arrive
			w.t.Errorf("a message left %v after nobody could be certain", late)
		}
	}
}
