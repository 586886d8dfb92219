package template

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// How fresh what is remembered is kept, and how seldom Graph is asked: it takes 200 calls an hour for a business account.
const (
	goodFor     = 10 * time.Minute // then it is read anew by whoever asks next
	missedAfter = 30 * time.Second // a template that isn't there is looked for anew, for each page that there is
	toldAfter   = 2 * time.Second  // after a webhook that tells of a change, for each page
	firstPause  = 5 * time.Second  // after a failure; it doubles
	lastPause   = 5 * time.Minute
	readTime    = 10 * time.Second // of a whole reading
)

// Bounds of what one business account has.
const (
	maxTemplates = 6000 // Meta allows 250, 6,000 to those that it has verified
	maxPages     = 200
)

// Library remembers templates, each business account's for itself, in the memory of this process: what nobody could read
// since it began is not known, and then Meta decides.
type Library struct {
	Directory  *chat.Directory
	Graph      graph
	Conditions conditions       // nil: nobody tells of changes
	Now        func() time.Time // nil: time.Now
	Logger     zerolog.Logger

	mu      sync.Mutex
	shelves map[string]*shelf
}

// graph reads one page of the templates that belong to a channel's business account, from the one after the cursor on. next
// is "" at the end.
type graph interface {
	Templates(ctx context.Context, account, channel, business, after string) (page []Template, next string, err error)
}

// conditions gives what webhooks told of a channel, and so of its templates.
type conditions interface {
	Condition(ctx context.Context, account, channel string) (channel.Condition, error)
}

// Reading is what Meta had at a time. Nobody may write into it.
type Reading struct {
	At        time.Time
	Stale     bool       // it should have been read anew, and Graph could not be asked
	Cut       bool       // there are more templates than are read
	Templates []Template // sorted by name and language

	stamp int64 // of what webhooks had told before it was read
	pages int
}

// shelf is what is known of one business account.
type shelf struct {
	turn chan struct{} // holds one element while somebody reads

	mu     sync.Mutex
	last   *Reading // nil: none yet
	pause  time.Duration
	failed time.Time // of the last attempt; zero if that was well
	why    error
}

// Find is Known's.
func (l *Library) Find(ctx context.Context, account, channel, name, language string) (t Template, known bool, err error) {
	now, err := l.reading(ctx, account, channel, func(r *Reading) bool { return r.find(name, language).Status == Approved })
	if err != nil {
		return Template{}, false, ctx.Err() // who waits no longer gets no answer; else Meta decides
	}
	t = now.find(name, language)
	return t, t.There() || !now.Cut, nil
}

// List gives all templates of a channel's business account. The error is a fault that says why nobody can tell.
func (l *Library) List(ctx context.Context, account, channel string) (*Reading, error) {
	return l.reading(ctx, account, channel, nil)
}

// find gives a template; where it isn't there, the languages in which there is one of its name.
func (r *Reading) find(name, language string) (t Template) {
	from, _ := slices.BinarySearchFunc(r.Templates, name, func(one Template, name string) int { return strings.Compare(one.Name, name) })
	for _, one := range r.Templates[from:] {
		if one.Name != name {
			break
		}
		if one.Language == language {
			return one
		}
		t.Languages = append(t.Languages, one.Language)
	}
	return t
}

// reading gives what Meta has, read anew where that is due. good says whether the one at hand answers the question: where it
// doesn't, it is read anew sooner.
func (l *Library) reading(ctx context.Context, account, id string, good func(*Reading) bool) (*Reading, error) {
	of, ok := l.Directory.Channel(account, id)
	if !ok || of.Business == "" || of.Kind != chat.WhatsApp {
		return nil, fault.New(fault.Unprocessable, "no_business_account", "The channel has no waba_id in the configuration, so that its templates can't be read.")
	}
	s := l.shelf(account, of.Business)
	told := l.told(ctx, account, id)
	r, err := l.plain(ctx, s, of, newest(told), good)
	if err != nil {
		return nil, err
	}
	return r.with(told), nil
}

// plain gives what Graph told.
func (l *Library) plain(ctx context.Context, s *shelf, of chat.Channel, stamp int64, good func(*Reading) bool) (*Reading, error) {
	due := func() (last *Reading, due bool, err error) { return s.due(l.now(), stamp, good) }
	last, isDue, err := due()
	if !isDue {
		return last, err
	}
	select { // one reads, the others wait for what it reads
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "graph_away", away)
	}
	if last, isDue, err = due(); !isDue {
		return last, err
	}
	read, err := l.read(ctx, of)
	if err != nil && ctx.Err() != nil { // it says nothing about Graph
		return nil, fault.Wrap(err, fault.Unavailable, "graph_away", away)
	}
	if err != nil {
		l.Logger.Warn().Err(err).Str("account", of.Account).Str("channel", of.ID).Msg("templates could not be read from graph")
	}
	return s.note(read, err, stamp, l.now())
}

const away = "Meta could not be asked for the templates just now. Try again."

func (l *Library) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

func (l *Library) shelf(account, business string) *shelf {
	key := account + "/" + business
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.shelves[key]
	if s == nil {
		if l.shelves == nil {
			l.shelves = map[string]*shelf{}
		}
		s = &shelf{turn: make(chan struct{}, 1)}
		l.shelves[key] = s
	}
	return s
}

// read reads all pages.
func (l *Library) read(ctx context.Context, of chat.Channel) (*Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	r := &Reading{}
	for after := ""; ; {
		page, next, err := l.Graph.Templates(ctx, of.Account, of.ID, of.Business, after)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", r.pages, err)
		}
		r.pages++
		r.Templates = append(r.Templates, page...)
		if next == "" {
			break
		}
		if next == after || r.pages == maxPages {
			return nil, errors.New("graph's pages don't come to an end")
		}
		if len(r.Templates) >= maxTemplates {
			r.Cut = true
			break
		}
		after = next
	}
	slices.SortStableFunc(r.Templates, func(a, b Template) int {
		return strings.Compare(a.Name+"\x00"+a.Language, b.Name+"\x00"+b.Language)
	})
	return r, nil
}

// due says whether Graph should be asked now; if not, it gives what is known, or why nothing is.
func (s *shelf) due(now time.Time, stamp int64, good func(*Reading) bool) (last *Reading, due bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	paused := !s.failed.IsZero() && now.Sub(s.failed) < s.pause
	if s.last == nil {
		if paused {
			return nil, false, fault.Wrap(s.why, fault.Unavailable, "graph_away", away)
		}
		return nil, true, nil
	}
	age, pages := now.Sub(s.last.At), int64(max(s.last.pages, 1))
	old := age >= goodFor || stamp > s.last.stamp && age >= each(toldAfter, pages)
	missed := good != nil && age >= each(missedAfter, pages) && !good(s.last)
	if !paused && (old || missed) {
		return nil, true, nil
	}
	given := *s.last
	given.Stale = paused || stamp > given.stamp
	return &given, false, nil
}

// each gives a time for each page.
func each(of time.Duration, pages int64) time.Duration { return time.Duration(int64(of) * pages) }

// note remembers what was read, or that it could not be, and gives what is known now.
func (s *shelf) note(read *Reading, err error, stamp int64, now time.Time) (*Reading, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		read.At, read.stamp = now, stamp
		s.last, s.failed, s.pause, s.why = read, time.Time{}, 0, nil
		return read, nil
	}
	s.failed, s.why, s.pause = now, err, min(max(2*s.pause, firstPause), lastPause)
	if s.last == nil {
		return nil, fault.Wrap(err, fault.Unavailable, "graph_away", away)
	}
	given := *s.last
	given.Stale = true
	return &given, nil
}
