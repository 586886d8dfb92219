package media_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/media"
	"optgate/pipeline/outbound"
)

// graph is Meta.
type graph struct {
	mu      sync.Mutex
	files   []string // that were uploaded, as channel:bytes
	fails   error
	hang    time.Duration
	deleted []string
}

func (g *graph) UploadMedia(ctx context.Context, _, channel, _, _ string, _ int64, write func(context.Context, io.Writer) error) (string, error) {
	var b bytes.Buffer
	if err := write(ctx, &b); err != nil {
		return "", err
	}
	select {
	case <-time.After(g.hang):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.files = append(g.files, channel+":"+b.String()); g.fails != nil {
		return "", g.fails
	}
	return "meta" + strconv.Itoa(len(g.files)), nil
}

func (g *graph) DeleteMedia(_ context.Context, _, _, id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deleted = append(g.deleted, id)
	return g.fails
}

func newLibrary(w *world, g *graph) *media.Library {
	return &media.Library{
		Shards: shards, States: w, Publisher: w, Chunks: w, Graph: g, Logger: zerolog.Nop(),
		Directory: chat.NewDirectory([]string{"acme"}, []chat.Channel{
			{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "1"}, {Account: "acme", ID: "wb", Kind: chat.WhatsApp, NumberID: "2"},
		}),
	}
}

func TestAFileIsUploadedOncePerNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := newWorld(t), &graph{hang: time.Second}
		w.add("f1", "b1", "hello")
		l := newLibrary(w, g)
		f := func(l *media.Library, channel, want string) {
			t.Helper()
			if got, err := l.Resolve(t.Context(), "acme", channel, "f1"); got != want || err != nil {
				t.Errorf("%s: %s %v, want %s", channel, got, err, want)
			}
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { f(l, "wa", "meta1") })
		}
		all.Wait()
		f(newLibrary(w, g), "wa", "meta1") // a restart, or another replica
		f(l, "wb", "meta2")
		time.Sleep(29*24*time.Hour - time.Minute)
		f(l, "wa", "meta1")
		time.Sleep(time.Minute)
		f(l, "wa", "meta3")
		l.Directory = chat.NewDirectory([]string{"acme"}, []chat.Channel{{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "3"}})
		time.Sleep(time.Hour)
		f(l, "wa", "meta4") // the channel has another number now
		if got := strings.Join(g.files, " "); got != "wa:hello wb:hello wa:hello wa:hello" {
			t.Error(got)
		}
	})
}

func TestWhyAFileCanNotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := newWorld(t), &graph{}
		w.add("f1", "b1", "hello")
		l := newLibrary(w, g)
		f := func(id string, want fault.Kind, uploads int) {
			t.Helper()
			if _, err := l.Resolve(t.Context(), "acme", "wa", id); fault.KindOf(err) != want || len(g.files) != uploads {
				t.Errorf("%v after %d uploads; want kind %d after %d", err, len(g.files), want, uploads)
			}
		}
		f("none", fault.NotFound, 0)
		g.fails = &outbound.Refusal{HTTP: 400, Code: 131053, Title: "Media upload error", Advice: outbound.Fail}
		f("f1", fault.Unprocessable, 1)
		f("f1", fault.Unprocessable, 1) // it is not tried for each page of a broadcast
		time.Sleep(10 * time.Minute)
		for _, passing := range []error{
			&outbound.Refusal{Code: 80007, Advice: outbound.Slow}, &outbound.Refusal{Code: 190, Advice: outbound.Halt}, errors.New("the network"),
		} {
			n := len(g.files)
			g.fails = passing
			f("f1", fault.Unavailable, n+1)
			f("f1", fault.Unavailable, n+1)
			time.Sleep(5 * time.Second)
		}
		g.fails = nil
		if id, err := l.Resolve(t.Context(), "acme", "wa", "f1"); id == "" || err != nil {
			t.Error(err)
		}
		w.away = fault.New(fault.NotCertain, "not_certain", "away")
		f("f1", fault.NotCertain, len(g.files))
		if _, err := l.Resolve(t.Context(), "acme", "none", "f1"); fault.KindOf(err) != fault.Unprocessable {
			t.Error(err)
		}
	})
}

// TestALongUploadIsThereForWhoAsksAgain takes a minute for a file, and everybody who asks for it gives up after a second.
func TestALongUploadIsThereForWhoAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := newWorld(t), &graph{hang: time.Minute}
		w.add("f1", "b1", "hello")
		l := newLibrary(w, g)
		ask := func() (string, error) {
			hasty, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return l.Resolve(hasty, "acme", "wa", "f1")
		}
		for range 59 {
			if id, err := ask(); fault.KindOf(err) != fault.Unavailable {
				t.Fatal(id, err)
			}
		}
		time.Sleep(2 * time.Second)
		if id, err := ask(); id != "meta1" || err != nil || len(g.files) != 1 {
			t.Error(id, err, g.files)
		}
		w.add("f2", "b2", "there")
		go func() { _, _ = l.Resolve(t.Context(), "acme", "wa", "f2") }()
		synctest.Wait()
		l.Close()
		if _, err := l.Resolve(t.Context(), "acme", "wa", "f2"); fault.KindOf(err) != fault.Unavailable || len(g.files) != 1 {
			t.Errorf("after its end: %v, %v", err, g.files)
		}
	})
}

func TestWhatMetaHasOfADeletedFileIsRemoved(t *testing.T) {
	w, g := newWorld(t), &graph{}
	w.add("f1", "b1", "hello")
	l := newLibrary(w, g)
	l.Now = func() time.Time { return noon }
	resolve := func(channel string) {
		t.Helper()
		if _, err := l.Resolve(t.Context(), "acme", channel, "f1"); err != nil {
			t.Fatal(err)
		}
	}
	resolve("wa")
	held := newLibrary(w, g) // its upload comes to its end only after the deletion
	held.Now = l.Now
	held.Graph = &slow{graph: g, then: func() { w.say(media.NewDelete("d1", "acme", "f1", noon)) }}
	if id, err := held.Resolve(t.Context(), "acme", "wb", "f1"); fault.KindOf(err) != fault.NotFound {
		t.Fatal(id, err)
	}
	if got := strings.Join(w.ids(), " "); got != "meta1 meta2" {
		t.Fatalf("Meta still has %s", got)
	}
	if _, err := l.Resolve(t.Context(), "acme", "wa", "f1"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a file that is gone: %v", err)
	}
	r, now := media.Remover{Graph: g}, noon
	tend := func() {
		t.Helper()
		for n, gone := range w.copies() {
			if ids := r.Remove(t.Context(), gone, now); len(ids) > 0 {
				w.say(media.NewRemoved("r"+strconv.Itoa(n)+now.String(), gone, ids, now))
			}
		}
	}
	g.fails = errors.New("away")
	tend()
	tend()
	if len(w.ids()) != 2 || len(g.deleted) != 2 {
		t.Errorf("Meta has %v, asked to delete %v", w.ids(), g.deleted)
	}
	g.fails, now = nil, noon.Add(time.Minute)
	tend()
	w.expect("removed", map[string]int{"library": 1})

	w.add("f1", "b9", "hello") // the same bytes come back, and are uploaded anew
	l.Now = func() time.Time { return noon.Add(2 * time.Hour) }
	if id, err := l.Resolve(t.Context(), "acme", "wa", "f1"); id != "meta3" || err != nil {
		t.Error(id, err)
	}
	w.say(media.NewDelete("d9", "acme", "f1", noon))
	g.fails, now = errors.New("away for good"), noon.Add(31*24*time.Hour)
	tend()
	w.expect("forgotten by Meta itself", map[string]int{"library": 1})
}

// TestCopiesThatAnotherReplacedAreRemovedToo has two replicas upload at once, and uploads again a month later.
func TestCopiesThatAnotherReplacedAreRemovedToo(t *testing.T) {
	w, g, now := newWorld(t), &graph{}, noon
	w.add("f1", "b1", "hello")
	resolve := func(by *media.Library, want string) {
		t.Helper()
		by.Now = func() time.Time { return now }
		if id, err := by.Resolve(t.Context(), "acme", "wa", "f1"); id != want || err != nil {
			t.Fatal(id, err)
		}
	}
	one, other := newLibrary(w, g), newLibrary(w, g)
	one.Graph = &slow{graph: g, then: func() { now = noon.Add(-time.Second); resolve(other, "meta2") }}
	resolve(one, "meta1")
	now = noon.Add(time.Minute)
	resolve(newLibrary(w, g), "meta1") // began later
	now = noon.Add(29 * 24 * time.Hour)
	resolve(newLibrary(w, g), "meta3")
	w.say(media.NewDelete("d1", "acme", "f1", now))
	if got := strings.Join(w.ids(), " "); got != "meta1 meta2 meta3" {
		t.Errorf("to be removed: %s", got)
	}
	w.add("f2", "b2", "there")
	for n, days := range []int{0, 40} {
		now = noon.Add(time.Duration(days) * 24 * time.Hour)
		by := newLibrary(w, g)
		by.Now = func() time.Time { return now }
		if _, err := by.Resolve(t.Context(), "acme", "wa", "f2"); err != nil {
			t.Fatal(n, err)
		}
	}
	w.say(media.NewDelete("d2", "acme", "f2", now))
	if got := strings.Join(w.ids(), " "); got != "meta1 meta2 meta3 meta5" { // meta4 Meta has forgotten by itself
		t.Errorf("to be removed: %s", got)
	}
}

// slow does something between an upload and its answer.
type slow struct {
	*graph

	then func()
}

func (s *slow) UploadMedia(ctx context.Context, account, channel, mime, name string, size int64, write func(context.Context, io.Writer) error) (string, error) {
	id, err := s.graph.UploadMedia(ctx, account, channel, mime, name, size, write)
	s.then()
	return id, err
}
