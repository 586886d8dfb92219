package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/gateway/api/apitest"
)

// imported is an import as the API shows it.
type imported struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	Read      int    `json:"read"`
	Added     int    `json:"added"`
	Unchanged int    `json:"unchanged"`
	Stayed    int    `json:"stayed"`
	Refused   int    `json:"refused"`
	Line      int    `json:"line"`
	Error     *struct{ Code string }
	Rows      []struct {
		Line   int
		Reason string
	}
}

const importPath = "/v1/imports?list=default&channel=wa"

// send imports a file under a key; status 0: there was no answer.
func (w *world) send(file io.Reader, key string) (status int, i imported) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+w.private+importPath, file)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+acmeToken)
	request.Header.Set("Idempotency-Key", key)
	request.Header.Set("Content-Type", "text/csv")
	response, err := new(http.Client).Do(request)
	if err != nil {
		return 0, i
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, i
	}
	w.documented(apitest.Exchange{
		Method: http.MethodPost, Target: importPath, Status: response.StatusCode, Header: response.Header, Answer: raw,
	})
	if response.StatusCode == http.StatusAccepted {
		if err := json.Unmarshal(raw, &i); err != nil {
			w.t.Fatal(err)
		}
	}
	return response.StatusCode, i
}

// imports gives acme's imports; none while nobody knows.
func (w *world) imports() (all []imported) {
	var page struct{ Data []imported }
	w.api(http.MethodGet, "/v1/imports", acmeToken, nil, &page)
	return page.Data
}

// crowd is a file of n people from the first on, with a row that is refused before each thousandth.
func crowd(first, n int) string {
	var b strings.Builder
	b.WriteString("to\n")
	for i := range n {
		if i%1000 == 0 {
			b.WriteString("12\n")
		}
		fmt.Fprintf(&b, "+%s\n", person(first+i).Phone)
	}
	return b.String()
}

// TestAKilledImportGoesOn kills the gateway in the middle of an import, sends the file again, and counts.
func TestAKilledImportGoesOn(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		w := newWorld(t, on, nil)
		c := w.spawn()
		const first, people = 20_000, 6_000
		early := person(first + 1)
		w.says(early, "STOP")
		w.barred(early)
		file := crowd(first, people)
		for round, share := range []int{3, 2} { // what comes before the kill, and then a little more of it
			from, to := io.Pipe()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				w.send(from, "k")
			}()
			go io.WriteString(to, file[:len(file)/share])
			before := 0
			if round > 0 {
				eventually(t, "the import is known", func() bool {
					all := w.imports()
					if len(all) == 1 {
						before = all[0].Added
					}
					return len(all) == 1
				})
			}
			eventually(t, "rows are in force", func() bool {
				all := w.imports()
				return len(all) == 1 && all[0].Added > before && all[0].Status == "running"
			})
			c.kill()
			to.CloseWithError(io.ErrUnexpectedEOF)
			<-ended
			c = w.spawn()
		}
		status, i := w.send(strings.NewReader(file), "k")
		if status != http.StatusAccepted || i.Status != "finished" {
			t.Fatalf("%d %+v", status, i)
		}
		if i.Added != people-1 || i.Unchanged != 1 || i.Stayed != 0 || i.Refused != people/1000 || i.Read != people+people/1000 {
			t.Errorf("%+v", i)
		}
		if n := len(w.entries("acme", "default")); n != people {
			t.Errorf("%d entries", n)
		}
		var shown imported
		if w.api(http.MethodGet, "/v1/imports/"+i.ID, acmeToken, nil, &shown); len(shown.Rows) != i.Refused || shown.Rows[1].Line != 1003 {
			t.Errorf("%+v", shown)
		}
		w.barred(person(first), person(first+people-1))
	})
}

// TestAnImportSurvivesRedisBeingWiped wipes Redis twice in the middle of an import, which goes on by itself, and looks at
// whether people who opt out meanwhile are heard.
func TestAnImportSurvivesRedisBeingWiped(t *testing.T) {
	together(t)
	eachServers(t, func(t *testing.T, on servers) {
		if len(on.redis) == 0 {
			on.redis = []string{beside(t).Redis}
		}
		w := begin(t, on)
		const first, people = 30_000, 6_000
		file := crowd(first, people)
		from, to := io.Pipe()
		type answer struct {
			status int
			imported
		}
		ended := make(chan answer, 1)
		go func() {
			status, i := w.send(from, "k")
			ended <- answer{status, i}
		}()
		for n, share := range []string{file[:len(file)/3], file[len(file)/3 : 2*len(file)/3]} {
			io.WriteString(to, share)
			eventually(t, "rows are in force", func() bool {
				all := w.imports()
				return len(all) == 1 && all[0].Added > 250+n*people/3
			})
			on.flush(t)
			w.says(person(40_000+n), "STOP")
		}
		io.WriteString(to, file[2*len(file)/3:])
		to.Close()
		select {
		case a := <-ended:
			if a.status != http.StatusAccepted || a.Status != "finished" || a.Added != people || a.Refused != people/1000 {
				t.Errorf("%+v", a)
			}
		case <-time.After(60 * time.Second):
			t.Fatal("it never ends")
		}
		w.barred(person(40_000), person(40_001), person(first), person(first+people-1))
		if n := len(w.entries("acme", "default")); n != people+2 {
			t.Errorf("%d entries", n)
		}
	})
}
