package feed_test

import (
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/feed"
)

func TestAReceiverThatAsksForTimeIsLeftAloneByAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(feed.Call) (feed.Said, error) { return feed.Said{Status: 429, RetryAfter: "600"}, nil }
		w.offer("news", ada)
		stop := w.run(feed.NewCourier(w))
		defer stop()
		passes(10 * time.Second)
		w.offer("news", many(50)...) // ada among them
		w.offer("shop", ada)
		passes(8 * time.Minute)
		if w.made() != 2 { // one of each URL
			t.Errorf("%d calls, while the receivers have asked for ten minutes", w.made())
		}
		w.locked(func() { w.answer = status(200) })
		passes(10 * time.Minute)
		if w.count("delivered") != 51 {
			t.Errorf("counted %v after the time asked for", w.counted)
		}
	})
}

func TestWhatWaitsForADeadReceiverIsNotReadAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = status(500)
		w.offer("news", many(300)...)
		stop := w.run(feed.NewCourier(w))
		defer stop()
		passes(time.Minute)
		var before, after int
		w.locked(func() { before = w.looked })
		passes(10 * time.Minute)
		w.locked(func() { after = w.looked })
		if after-before > 60 {
			t.Errorf("looked %d times for what is due, in ten minutes in which nobody could be called", after-before)
		}
	})
}

func TestAURLThatWasChangedMeanwhileGetsNoMorePosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(feed.Call) (feed.Said, error) {
			time.Sleep(5 * time.Second) //nolint:forbidigo // a slow receiver, in simulated time
			return feed.Said{Status: 200}, nil
		}
		w.offer("news", many(80)...)
		courier := feed.NewCourier(w) // of several shards, all of which wait for the same receiver
		for range 3 {
			defer w.run(courier)()
		}
		passes(2 * time.Second)
		w.locked(func() { w.account.Lists[0].WebhookURL = "https://example.com/other" })
		passes(10 * time.Minute)
		old, other := 0, 0
		w.locked(func() {
			for _, c := range w.calls {
				if c.URL == "https://example.com/other" {
					other++
				} else {
					old++
				}
			}
		})
		if old > 16 || other < 60 {
			t.Errorf("%d posts to the former URL, %d to the new one", old, other)
		}
	})
}

func TestAReceiverGetsMoreAtOnceAsItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(feed.Call) (feed.Said, error) {
			time.Sleep(time.Second) //nolint:forbidigo // a slow receiver, in simulated time
			return feed.Said{Status: 200}, nil
		}
		w.offer("news", many(300)...)
		stop := w.run(feed.NewCourier(w))
		defer stop()
		passes(900 * time.Millisecond)
		if w.atOnce() != 4 {
			t.Errorf("%d at once before anything was answered", w.atOnce())
		}
		passes(30 * time.Second)
		if w.atOnce() != 16 || w.count("delivered") < 290 {
			t.Errorf("%d at once, counted %v", w.atOnce(), w.counted)
		}
		w.locked(func() {
			w.answer = func(feed.Call) (feed.Said, error) {
				time.Sleep(10 * time.Second) //nolint:forbidigo // it hangs now
				return feed.Said{}, errAway
			}
		})
		passes(time.Minute)
		w.offer("news", more(300)...)
		passes(5 * time.Minute)
		w.locked(func() {
			w.most = 0
			w.answer = func(feed.Call) (feed.Said, error) {
				time.Sleep(time.Second) //nolint:forbidigo // slow again
				return feed.Said{Status: 200}, nil
			}
		})
		passes(20 * time.Second)
		if n := w.atOnce(); n > 5 {
			t.Errorf("%d at once to a receiver that has just come back", n)
		}
	})
}

// more are others than many.
func more(n int) []chat.Identifier { return many(10_000 + n)[10_000:] }
