package app_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

// TestAListLivesAndDies is a list's story from its making to the last person that it lets go.
func TestAListLivesAndDies(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		var list struct{ ID string }
		status, answer := w.api(http.MethodPost, "/v1/optout-lists", acmeToken, map[string]any{
			"name": "Weekly News", "keywords": []string{"no news"}, "confirmation": "No more news.", "channels": []string{"wa", "page"},
			"languages": map[string]any{"fr": map[string]any{"keywords": []string{"pas d'actu"}, "confirmation": "Plus d'actualités."}},
		}, &list)
		if status != http.StatusCreated || list.ID != "weekly-news" {
			t.Fatalf("%d %s", status, answer)
		}
		path := "/v1/optout-lists/" + list.ID
		ada, ben, cleo := person(8101), person(8102), person(8103)
		w.says(ada, "NO NEWS!")
		eventually(t, "the new list hears at once where it was made", func() bool {
			return w.entries("acme", list.ID)[shown(ada)].Source == "message"
		})
		w.says(ben, "Pas d’actu")
		eventually(t, "Ben is on the list", func() bool { return w.entries("acme", list.ID)[shown(ben)].Channel == "wa" })
		w.says(ben, "STOP")
		w.barred(ben)
		w.confirmed(ada, ben)
		eventually(t, "Ben is answered in his language", func() bool {
			return slices.ContainsFunc(w.confirmations(ben), func(s fake.Send) bool { return strings.Contains(textOf(t, s), "actualités") })
		})
		w.says(cleo, "Unsubcribe")
		w.says(cleo, "please dont stop, no news yet")
		w.says(cleo, "no nwes!")
		near := func(list string) (texts []string) {
			var page struct {
				Data []struct{ Text string }
			}
			w.api(http.MethodGet, "/v1/optout-lists/"+list+"/near-misses", acmeToken, nil, &page)
			for _, m := range page.Data {
				texts = append(texts, m.Text)
			}
			return texts
		}
		eventually(t, "near misses are counted", func() bool {
			return slices.Equal(near(list.ID), []string{"dont stop, no news yet", "no nwes"}) && slices.Contains(near("default"), "unsubcribe")
		})
		if status, answer := w.api(http.MethodPost, path+"/near-misses/adopt", acmeToken, map[string]any{"text": "no nwes"}, nil); status != http.StatusOK || !strings.Contains(answer, `"no nwes"`) {
			t.Errorf("%d %s", status, answer)
		}
		eventually(t, "what was adopted is heard", func() bool {
			w.says(cleo, "no nwes")
			return w.entries("acme", list.ID)[shown(cleo)].Source == "message"
		})

		status, answer = w.api(http.MethodDelete, path, acmeToken, nil, nil)
		if status != http.StatusUnprocessableEntity || !strings.Contains(answer, `"entries":3`) || !strings.Contains(answer, `"reachable_again":2`) {
			t.Errorf("%d %s", status, answer)
		}
		sent := w.broadcast([]fake.Person{ada, cleo, person(8104)}, map[string]any{"lists": []string{list.ID}})
		if now := w.finished("acme", sent); now.Totals != (totals{Audience: 3, Skipped: 2, Sent: 1}) {
			t.Errorf("before: %+v", now.Totals)
		}
		if status, answer = w.api(http.MethodDelete, path+"?name="+url.QueryEscape("Weekly News"), acmeToken, nil, nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		if status, _ := w.api(http.MethodGet, path, acmeToken, nil, nil); status != http.StatusNotFound {
			t.Errorf("it is still there: %d", status)
		}
		w.barred(ben) // by the list that is left
		w.allowed(ada, cleo)
		if status, answer = w.api(http.MethodPost, "/v1/optout-lists", acmeToken, map[string]any{"name": "Weekly News"}, &list); status != http.StatusCreated || list.ID != "weekly-news-2" {
			t.Errorf("%d %s", status, answer)
		}
		eventually(t, "nobody has an entry of it any more", func() bool {
			states := map[string]string{}
			for _, r := range w.tail("state") {
				states[r.Key] = string(r.Value)
			}
			left := 0
			for key, state := range states {
				if strings.HasPrefix(key, "person/") && strings.Contains(state, "weekly-news") {
					left++
				}
			}
			return left == 0
		})
	})
}

// TestAStopOnAPageOrInstagramFilesItsPerson tells that a stop word counts wherever it is written, for the channel it came by.
func TestAStopOnAPageOrInstagramFilesItsPerson(t *testing.T) {
	together(t)
	someServers(t, func(t *testing.T, on servers) {
		w := begin(t, on)
		now := time.Now()
		for _, c := range []struct {
			to      fake.Number
			channel string
		}{{page, "page"}, {instagram, "instagram"}} {
			who := fake.Person{ID: "800000000000" + c.to.ID[:4]}
			on := func() (source string) {
				for shown, e := range w.entries("acme", "default") {
					if strings.HasSuffix(shown, "/"+who.ID) && e.Channel == c.channel {
						source = e.Source
					}
				}
				return source
			}
			w.deliver(fake.Direct(c.to, who, "please don't stop", now), fake.Direct(c.to, who, "Stop 🙏", now))
			eventually(t, c.channel+": they are on the list", func() bool { return on() == "message" })
			w.deliver(fake.Direct(c.to, who, "START", now.Add(time.Second)))
			eventually(t, c.channel+": they are off it again", func() bool { return on() == "" })
		}
		if sent := w.meta.Sends(); len(sent) > 0 {
			t.Errorf("a channel that can't send yet has sent %d messages", len(sent))
		}
	})
}
