package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// audience uploads a file of many people and gives its id.
func (w *world) audience(people int) string {
	w.t.Helper()
	var file strings.Builder
	file.WriteString("to,name\n")
	for n := range people {
		fmt.Fprintf(&file, "+44770%07d,Ada\n", n)
	}
	var made struct{ ID string }
	status, answer, _ := fetch(http.MethodPost, "http://"+w.private+"/v1/audiences?channel=wa", acmeToken, []byte(file.String()), "Content-Type", "text/csv")
	if status != http.StatusCreated || json.Unmarshal(answer, &made) != nil {
		w.t.Fatalf("audience: %d %s", status, answer)
	}
	return made.ID
}

// TestASmallBroadcastIsNotHeldUpByALargeOne: a number that may send ten messages a second has 100,000 to send. It holds no more of
// them ready than it sends in half a minute, so that small broadcasts of its account and of another one finish within seconds, and
// a pause is over as soon as that.
func TestASmallBroadcastIsNotHeldUpByALargeOne(t *testing.T) {
	someServers(t, func(t *testing.T, on servers) {
		const rate, credit = 10, 300
		w := newWorld(t, on, nil)
		w.rate(rate)
		w.start()
		large := w.broadcast(nil, map[string]any{"recipients": nil, "audience": map[string]any{"upload": w.audience(100_000)}})
		eventually(t, "the large one runs", func() bool { return len(w.meta.Sends()) > rate })

		began := time.Now()
		mine, theirs := w.broadcast(people(100, 10), nil), w.broadcastOf("bravo", people(200, 10), nil)
		w.finished("bravo", theirs)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("another account's small broadcast took %v", took)
		}
		w.finished("acme", mine)
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("the same account's small broadcast took %v", took)
		}
		ahead := func() int { return len(w.tail("outbound.bulk")) - len(w.meta.Sends()) }
		for range 5 {
			if n := ahead(); n > credit+rate || n < rate {
				t.Errorf("the lanes hold %d messages", n)
			}
			quiet(t, time.Second)
		}
		if status, answer := w.certainly(http.MethodPost, "/v1/broadcasts/"+large+"/pause", acmeToken, nil, nil); status != http.StatusOK {
			t.Fatal(answer)
		}
		before := len(offers(w.meta.Sends()))
		within(t, 35*time.Second, "what the lanes hold leaves", func() bool { return ahead() == 0 })
		if n := len(offers(w.meta.Sends())) - before; n > credit+rate {
			t.Errorf("%d messages left after it was paused", n)
		}
		calledOnce(t, w.meta.Sends())
		var now sentBroadcast
		w.certainly(http.MethodPost, "/v1/broadcasts/"+large+"/cancel", acmeToken, nil, &now)
		within(t, 20*time.Second, "nobody is left", func() bool {
			w.certainly(http.MethodGet, "/v1/broadcasts/"+large, acmeToken, nil, &now)
			return now.Totals.Queued == 0
		})
		if now.Status != "cancelled" || !now.Totals.whole() || now.Totals.Sent+now.Totals.Cancelled != 100_000 {
			t.Errorf("%s %+v", now.Status, now.Totals)
		}
	})
}
