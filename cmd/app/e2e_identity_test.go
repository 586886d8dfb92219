package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// both is somebody who shows a phone and a BSUID; phoneOf and bsuidOf show one of the two.
func both(n int) fake.Person {
	return fake.Person{Phone: fmt.Sprintf("4477009%05d", n), BSUID: fmt.Sprintf("GB.9021000000000%07d", n)}
}

func phoneOf(p fake.Person) fake.Person { return fake.Person{Phone: p.Phone} }
func bsuidOf(p fake.Person) fake.Person { return fake.Person{BSUID: p.BSUID} }

// told makes a receipt of a message of ours that shows both identifiers, as it was given by one of them.
func told(who fake.Person, id string, at time.Time) fake.Event {
	return fake.Event{Kind: "receipt", To: acme, Field: "messages", Array: "statuses", Item: map[string]any{
		"id": "wamid." + id, "status": "delivered", "timestamp": fmt.Sprint(at.Unix()), "recipient_id": who.Phone, "recipient_user_id": who.BSUID}}
}

// system makes a message of Meta's about somebody's identifiers.
func system(from fake.Person, id string, at time.Time, says map[string]any) fake.Event {
	item := map[string]any{"id": "wamid." + id, "timestamp": fmt.Sprint(at.Unix()), "type": "system", "system": says}
	if from.Phone != "" {
		item["from"] = from.Phone
	}
	return fake.Event{Kind: "system", To: acme, Field: "messages", Array: "messages", Item: item}
}

// TestAnOptOutCoversAllIdentifiersOfAPersonInAnyOrder tells how two identifiers come to be known as one person's.
func TestAnOptOutCoversAllIdentifiersOfAPersonInAnyOrder(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		now := time.Now()
		say := func(who fake.Person, words string) { w.deliver(fake.Text(acme, who, words, now)) }
		for i, story := range []struct {
			name string
			tell func(p fake.Person)
			also fake.Person // is barred in the end as well
		}{
			{name: "STOP by the phone, then both", tell: func(p fake.Person) { say(phoneOf(p), "STOP"); say(p, "hello") }},
			{name: "STOP by the BSUID, then both", tell: func(p fake.Person) { say(bsuidOf(p), "STOP"); say(p, "hello") }},
			{name: "both, then STOP by the phone", tell: func(p fake.Person) { say(p, "hello"); say(phoneOf(p), "STOP") }},
			{name: "both, then STOP by the BSUID", tell: func(p fake.Person) { say(p, "hello"); say(bsuidOf(p), "STOP") }},
			{name: "STOP by the BSUID, then a receipt shows both", tell: func(p fake.Person) { say(bsuidOf(p), "STOP"); w.deliver(told(p, p.Phone, now)) }},
			{name: "a receipt shows both, then STOP by the phone", tell: func(p fake.Person) { w.deliver(told(p, p.Phone, now)); say(phoneOf(p), "STOP") }},
			{name: "the BSUID stands where the phone belongs", tell: func(p fake.Person) {
				say(fake.Person{Phone: p.BSUID, BSUID: p.BSUID}, "STOP")
				say(p, "hello")
			}},
		} {
			p := both(7000 + i)
			story.tell(p)
			for _, one := range []fake.Person{phoneOf(p), bsuidOf(p)} {
				within(t, 10*time.Second, fmt.Sprintf("%s: %s is barred", story.name, shown(one)), func() bool {
					r, ok := w.why("acme", one)
					return ok && !r.Allowed && r.List == "default"
				})
			}
		}
	})
}

// TestAnOptOutMovesWithItsPerson tells of every way in which Meta says, or has said, that somebody's identifiers change.
func TestAnOptOutMovesWithItsPerson(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		now := time.Now()
		for i, change := range []struct {
			name string
			tell func(old, young fake.Person) fake.Event
			now  func(young fake.Person) []fake.Person // who is barred by it
		}{
			{"user_changed_number", func(old, young fake.Person) fake.Event { return fake.Moved(acme, old, young, now) },
				func(young fake.Person) []fake.Person { return []fake.Person{phoneOf(young), bsuidOf(young)} }},
			{"user_changed_number, the old phone in the sentence alone", func(old, young fake.Person) fake.Event {
				return system(young, "moved"+old.Phone, now, map[string]any{"type": "user_changed_number", "wa_id": young.Phone,
					"user_id": young.BSUID, "body": "User Ada Example changed from " + old.Phone + " to " + young.Phone})
			}, func(young fake.Person) []fake.Person { return []fake.Person{phoneOf(young), bsuidOf(young)} }},
			{"customer_changed_number", func(old, young fake.Person) fake.Event {
				return system(young, "moved"+old.Phone, now, map[string]any{"type": "customer_changed_number", "new_wa_id": young.Phone, "customer": old.Phone})
			}, func(young fake.Person) []fake.Person { return []fake.Person{phoneOf(young)} }},
			{"user_changed_user_id", func(old, young fake.Person) fake.Event {
				return system(fake.Person{}, "moved"+old.Phone, now, map[string]any{"type": "user_changed_user_id", "user_id": young.BSUID, "previous_user_id": old.BSUID})
			}, func(young fake.Person) []fake.Person { return []fake.Person{bsuidOf(young)} }},
			{"user_changed_user_id, the old one in the sentence alone", func(old, young fake.Person) fake.Event {
				return system(fake.Person{}, "moved"+old.Phone, now, map[string]any{"type": "user_changed_user_id", "user_id": young.BSUID,
					"body": "User Ada Example changed from " + old.BSUID + " to " + young.BSUID})
			}, func(young fake.Person) []fake.Person { return []fake.Person{bsuidOf(young)} }},
			{"user_id_update", func(old, young fake.Person) fake.Event {
				return fake.Event{Kind: "update", To: acme, Field: "user_id_update", Array: "user_id_update", Item: map[string]any{
					"wa_id": old.Phone, "timestamp": fmt.Sprint(now.Unix()), "user_id": map[string]any{"previous": old.BSUID, "current": young.BSUID}}}
			}, func(young fake.Person) []fake.Person { return []fake.Person{bsuidOf(young)} }},
		} {
			for order, first := range []string{"STOP", "move"} {
				old, young := both(7100+10*i+order), both(7200+10*i+order)
				w.deliver(fake.Text(acme, old, "hello", now)) // phone and BSUID are known as one
				if first == "STOP" {
					w.deliver(fake.Text(acme, old, "STOP", now))
				}
				w.deliver(change.tell(old, young))
				if first == "move" {
					w.deliver(fake.Text(acme, bsuidOf(old), "STOP", now))
				}
				for _, one := range change.now(young) {
					within(t, 10*time.Second, fmt.Sprintf("%s, first %s: %s is barred", change.name, first, shown(one)), func() bool {
						r, ok := w.why("acme", one)
						if ok && !r.Allowed && (r.Link == nil || r.Link.By != "webhook" || r.Link.To != shown(old) && r.Link.To != old.BSUID) {
							t.Fatalf("%s: the link is not named: %+v", change.name, r)
						}
						return ok && !r.Allowed && r.Source == "message" && len(r.History) == 1
					})
				}
			}
		}
	})
}

// TestAnOptInLiftsOnlyWhatItShows: a number may be a stranger's by now.
func TestAnOptInLiftsOnlyWhatItShows(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		at := time.Now().Add(-time.Hour)
		next := func() time.Time { at = at.Add(time.Minute); return at }
		old, young := both(7300), both(7301)
		w.deliver(fake.Text(acme, old, "STOP", next()))
		w.deliver(fake.Moved(acme, old, young, next()))
		w.barred(phoneOf(young), bsuidOf(young))

		// Who has moved opts in. What they had before may be a stranger's.
		w.deliver(fake.Text(acme, young, "START", next()))
		w.allowed(phoneOf(young), bsuidOf(young))
		w.barred(phoneOf(old), bsuidOf(old))

		// The stranger with the old number is careful with by default, and opts in for themselves alone.
		stranger := fake.Person{Phone: old.Phone, BSUID: both(7302).BSUID}
		w.deliver(fake.Text(acme, stranger, "hello", next()))
		w.barred(phoneOf(stranger), bsuidOf(stranger))
		w.deliver(fake.Text(acme, young, "STOP", next()))
		w.barred(phoneOf(young), bsuidOf(young))
		w.deliver(fake.Text(acme, stranger, "START", next()))
		w.allowed(phoneOf(stranger), bsuidOf(stranger))
		w.barred(phoneOf(young), bsuidOf(young), bsuidOf(old))
	})
}

// TestAStopThatComesAgainAfterAStartChangesNothing: Meta redelivers for a week, in any order.
func TestAStopThatComesAgainAfterAStartChangesNothing(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		now, ada, ben := time.Now(), both(7400), both(7401)
		stop := fake.Text(acme, ada, "STOP", now.AddDate(0, 0, -6))
		w.deliver(stop)
		w.barred(phoneOf(ada), bsuidOf(ada))
		w.deliver(fake.Text(acme, ada, "START", now.AddDate(0, 0, -3)))
		w.allowed(phoneOf(ada), bsuidOf(ada))
		w.deliver(stop)
		w.deliver(stop, fake.Text(acme, ben, "hello", now))
		w.deliver(fake.Text(acme, phoneOf(ada), "Stop", now.AddDate(0, 0, -4))) // one that comes late for the first time
		w.deliver(fake.Text(acme, ben, "STOP", now))
		w.barred(ben) // what came before is decided
		w.settled()
		for _, one := range []fake.Person{phoneOf(ada), bsuidOf(ada)} {
			if r, ok := w.why("acme", one); !ok || !r.Allowed || len(r.History) != 2 {
				t.Errorf("%s: %+v", shown(one), r)
			}
		}
		for _, s := range w.meta.Sends() {
			if s.Person == ada.Phone {
				t.Errorf("words of days ago were answered: %s", textOf(t, s))
			}
		}
	})
}

// TestAStopThatNobodyCanReadIsFiled: on each platform, whatever is wrong around sender and words.
func TestAStopThatNobodyCanReadIsFiled(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		now, deep := time.Now(), strings.Repeat("[", 12_000)+strings.Repeat("]", 12_000)
		text := func(who fake.Person) string {
			return string(fake.Body(fake.Text(acme, who, "STOP", now)))
		}
		spoil := func(body, from, to string) string {
			if strings.Count(body, from) != 1 {
				t.Fatalf("%s stands not once in %s", from, body)
			}
			return strings.Replace(body, from, to, 1)
		}
		const said = `"text":{"body":"STOP"}`
		n := 7500
		for name, wrong := range map[string]func(body string) string{
			"a list":         func(body string) string { return spoil(body, said, `"text":["STOP"]`) },
			"deep":           func(body string) string { return spoil(body, said, `"text":[{"v":"STOP"},`+deep+`]`) },
			"a control sign": func(body string) string { return spoil(body, said, said+",\"odd\":\"\x00\x1b\"") },
			"no UTF-8":       func(body string) string { return spoil(body, said, "\"text\":[\"STOP\",\"\xff\xfe\xc0\"]") },
			"giant": func(body string) string {
				return spoil(body, said, `"text":["STOP"],"odd":"`+strings.Repeat("x", 900_000)+`"`)
			},
			"of another type": func(body string) string { return spoil(body, said, `"text":{"body":{"v":["STOP"]}}`) },
			"cut off":         func(body string) string { return body[:strings.Index(body, `,"object"`)] },
		} {
			n++
			who := person(n)
			if status, err := w.meta.Post(t.Context(), []byte(wrong(text(who)))); status != 200 || err != nil {
				t.Errorf("%s: %d %v", name, status, err)
			}
			within(t, 10*time.Second, name+": they are barred", func() bool {
				r, ok := w.why("acme", who)
				return ok && !r.Allowed && r.Source == "salvage" && r.Rule == "stop"
			})
		}
		for _, to := range []fake.Number{page, instagram} {
			who := fake.Person{ID: "900000000000" + to.ID[:4]}
			body := spoil(string(fake.Body(fake.Direct(to, who, "STOP", now))), `"text":"STOP"`, `"text":["STOP"]`)
			if status, err := w.meta.Post(t.Context(), []byte(body)); status != 200 || err != nil {
				t.Errorf("%s: %d %v", to.Platform, status, err)
			}
			eventually(t, to.Platform+": they are on the list", func() bool {
				for shown, e := range w.entries("acme", "default") {
					if strings.HasSuffix(shown, "/"+who.ID) && e.Source == "salvage" {
						return true
					}
				}
				return false
			})
		}

		// What others wrote, or wrote long ago, files nobody, however torn.
		quiet, ben := person(7599), person(7598)
		for name, e := range map[string]fake.Event{
			"history": fake.History(acme, fake.Text(acme, quiet, "STOP", now)), "echo": fake.Echo(acme, quiet, "STOP", now), "forwarded": fake.Forwarded(acme, quiet, "STOP", now),
		} {
			whole := string(fake.Body(e))
			for _, body := range []string{strings.Replace(whole, said, `"text":["STOP"]`, 1), whole[:len(whole)-3]} {
				if status, err := w.meta.Post(t.Context(), []byte(body)); status != 200 || err != nil {
					t.Errorf("%s: %d %v", name, status, err)
				}
			}
		}
		w.says(ben, "STOP")
		w.barred(ben)
		w.settled()
		if r, ok := w.why("acme", quiet); !ok || !r.Allowed {
			t.Errorf("who did not say it is barred: %+v", r)
		}
		if !slices.ContainsFunc(w.tail("dead"), func(r kept) bool { return r.Headers["holds"] == "message" }) {
			t.Error("no dead letter is marked")
		}
	})
}
