package template_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/template"
)

// graph is Meta: pages of templates, asked for by cursor.
type graph struct {
	mu     sync.Mutex
	pages  [][]template.Template
	loop   bool // the cursor never ends
	away   error
	hang   time.Duration
	calls  int
	inside atomic.Int32
}

func (g *graph) Templates(ctx context.Context, _, _, business, after string) ([]template.Template, string, error) {
	if g.inside.Add(1) > 1 {
		panic("two readings at once")
	}
	defer g.inside.Add(-1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if g.hang > 0 {
		select {
		case <-time.After(g.hang):
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	if g.away != nil || business != "b1" {
		return nil, "", g.away
	}
	n, _ := strconv.Atoi(after)
	next := strconv.Itoa(n + 1)
	if n+1 >= len(g.pages) && !g.loop {
		next = ""
	}
	return g.pages[n%len(g.pages)], next, nil
}

func (g *graph) has(page ...template.Template) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pages = [][]template.Template{page}
}

func (g *graph) fails(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.away = err
}

func (g *graph) asked() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// conditions is what webhooks told.
type conditions struct {
	told []channel.Template
	err  error
}

func (c *conditions) Condition(context.Context, string, string) (channel.Condition, error) {
	return channel.Condition{Templates: c.told}, c.err
}

func newLibrary(g *graph, c *conditions) *template.Library {
	return &template.Library{
		Directory: chat.NewDirectory([]string{"acme"}, []chat.Channel{
			{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "1", Business: "b1"},
			{Account: "acme", ID: "bare", Kind: chat.WhatsApp, NumberID: "2"},
		}),
		Graph: g, Conditions: c, Logger: zerolog.Nop(),
	}
}

func of(name, status string) template.Template {
	return template.Template{Name: name, Language: "en", Status: status, Category: "UTILITY"}
}

func status(t *testing.T, l *template.Library, name string) string {
	t.Helper()
	found, known, err := l.Find(t.Context(), "acme", "wa", name, "en")
	if err != nil {
		t.Fatal(err)
	}
	if !known {
		return "?"
	}
	return found.Status
}

func TestTemplatesAreKeptFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, c := &graph{}, &conditions{}
		l := newLibrary(g, c)
		g.has(of("a", "APPROVED"), of("b", "PENDING"))
		f := func(name, want string, calls int) {
			t.Helper()
			if got := status(t, l, name); got != want || g.asked() != calls {
				t.Errorf("%s is %s after %d calls; want %s after %d", name, got, g.asked(), want, calls)
			}
		}
		f("a", "APPROVED", 1)
		f("a", "APPROVED", 1)
		f("b", "PENDING", 1)
		g.has(of("a", "PAUSED"), of("b", "APPROVED"), of("c", "APPROVED"))
		time.Sleep(29 * time.Second)
		f("b", "PENDING", 1)
		time.Sleep(time.Second)
		f("a", "APPROVED", 1) // what is well is not looked for anew
		f("c", "APPROVED", 2) // what isn't there is
		f("a", "PAUSED", 2)
		g.has(of("a", "APPROVED"))
		time.Sleep(10 * time.Minute)
		f("a", "APPROVED", 3)
		f("c", "", 3)

		time.Sleep(10 * time.Second)
		c.told = []channel.Template{{Name: "a", Language: "en", Status: channel.Told{Value: "PAUSED", At: time.Now().UnixMilli()}}}
		f("a", "APPROVED", 4) // the webhook was the reason to ask Graph, which knows better
		time.Sleep(time.Second)
		c.told[0].Status = channel.Told{Value: "PAUSED", At: time.Now().UnixMilli()}
		f("a", "PAUSED", 4) // too soon to ask again, and the webhook is what is known last
		time.Sleep(time.Second)
		f("a", "APPROVED", 5)
		c.err = errors.New("nobody knows")
		f("a", "APPROVED", 5)
	})
}

func TestWhileGraphIsAwayTheLastKnownCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &graph{away: errors.New("away")}
		l := newLibrary(g, &conditions{})
		if got := status(t, l, "a"); got != "?" {
			t.Errorf("nobody can know: %s", got)
		}
		if _, err := l.List(t.Context(), "acme", "wa"); fault.KindOf(err) != fault.Unavailable || g.asked() != 1 {
			t.Errorf("%v, %d calls: a second one right away is not made", err, g.asked())
		}
		g.fails(nil)
		g.has(of("a", "APPROVED"))
		time.Sleep(5 * time.Second)
		if got := status(t, l, "a"); got != "APPROVED" {
			t.Errorf("Graph is back: %s", got)
		}
		g.fails(errors.New("away"))
		time.Sleep(time.Hour)
		for range 5 {
			r, err := l.List(t.Context(), "acme", "wa")
			if err != nil || !r.Stale || len(r.Templates) != 1 || time.Since(r.At) < time.Hour {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if g.asked() != 3 {
			t.Errorf("%d calls", g.asked())
		}
	})
}

func TestManyAskersReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &graph{hang: time.Second}
		g.has(of("a", "APPROVED"))
		l := newLibrary(g, &conditions{})
		hasty, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, known, err := l.Find(hasty, "acme", "wa", "a", "en"); known || err == nil {
				t.Errorf("who gave up got an answer: %v %v", known, err)
			}
		})
		synctest.Wait()
		for range 20 {
			all.Go(func() {
				if got := status(t, l, "a"); got != "APPROVED" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		if g.asked() != 2 { // the one that was given up, and one for all others
			t.Errorf("%d calls", g.asked())
		}
	})
}

func TestWhatIsNoTemplateOfOurs(t *testing.T) {
	g := &graph{}
	g.has(of("a", "APPROVED"), template.Template{Name: "a", Language: "de", Status: "APPROVED"})
	l := newLibrary(g, &conditions{})
	found, known, err := l.Find(t.Context(), "acme", "wa", "a", "fr")
	if err != nil || !known || found.There() || fmt.Sprint(found.Languages) != "[de en]" {
		t.Errorf("%+v %v %v", found, known, err)
	}
	for _, id := range []string{"bare", "none"} {
		if _, known, err := l.Find(t.Context(), "acme", id, "a", "en"); known || err != nil {
			t.Errorf("%s: %v %v", id, known, err)
		}
	}
	if _, err := l.List(t.Context(), "acme", "bare"); fault.KindOf(err) != fault.Unprocessable {
		t.Error(err)
	}
}

func TestGraphsPagesAreBounded(t *testing.T) {
	page := make([]template.Template, 250)
	for i := range page {
		page[i] = of(fmt.Sprintf("t%03d", i), "APPROVED")
	}
	g := &graph{loop: true, pages: [][]template.Template{page}}
	r, err := newLibrary(g, &conditions{}).List(t.Context(), "acme", "wa")
	if err != nil || !r.Cut || len(r.Templates) != 6000 || g.asked() != 24 {
		t.Errorf("%d calls, %v", g.asked(), err)
	}
	if _, known, _ := newLibrary(g, &conditions{}).Find(t.Context(), "acme", "wa", "beyond", "en"); known {
		t.Error("it may be among those that were not read")
	}
	empty := &graph{loop: true, pages: [][]template.Template{nil}}
	if _, err := newLibrary(empty, &conditions{}).List(t.Context(), "acme", "wa"); err == nil || empty.asked() > 200 {
		t.Errorf("%d calls, %v", empty.asked(), err)
	}
}
