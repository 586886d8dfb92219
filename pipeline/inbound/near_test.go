package inbound_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// typed makes records of messages with these words, each with an id of its own.
func (d *desk) typed(first int, words ...string) (records []stream.Record) {
	d.t.Helper()
	body := d.body("text_stop")
	for i, text := range words {
		one := bytes.Replace(body, []byte(`"STOP"`), fmt.Appendf(nil, "%q", text), 1)
		one = bytes.Replace(one, []byte("wamid.SFh0ZXN0LTAwMDAwMi1jb21wb3NlZC1ieS1oYW5k"), fmt.Appendf(nil, "wamid.%d", first+i), 1)
		records = append(records, d.records(one)...)
	}
	return records
}

// nears gives all that was told of near misses: count by text.
func (d *desk) nears() (told map[string]int, commands int) {
	told = map[string]int{}
	for _, c := range of[shard.Command](d, stream.Commands) {
		if c.Kind != optout.CommandNear {
			continue
		}
		commands++
		near, err := shard.Body[optout.Near](c)
		if err != nil || c.Account != "acme" {
			d.t.Fatalf("%+v %v", c, err)
		}
		for _, m := range near.Misses {
			if !slices.Equal(m.Lists, []string{"default"}) || m.First != sent.UnixMilli() || m.Last != sent.UnixMilli() {
				d.t.Errorf("%+v", m)
			}
			told[m.Text] += m.Count
		}
	}
	return told, commands
}

func TestAFloodOfNearMissesIsOneCommandASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.h.TellNears(ctx) }()
		var words []string
		for range 500 {
			words = append(words, "sotp", "hello", "please stop texting me", "STOP")
		}
		batch := d.typed(0, words...)
		d.handle(batch...)
		d.handle(batch[:40]...) // Meta delivers some again
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		told, commands := d.nears()
		if told["sotp"] != 500 || told["stop texting me"] != 500 || len(told) != 2 || commands != 1 {
			t.Errorf("%v in %d commands", told, commands)
		}
		d.handle(d.typed(10_000, "unsubcribe")...)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if told, _ = d.nears(); told["unsubcribe"] != 1 {
			t.Errorf("what waited at the end was not told: %v", told)
		}
	})
}

func TestManyNearMissesAreBoundedAndALostOneHarmsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var words []string
		for i := range 1300 {
			words = append(words, "stop "+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)))
		}
		d.handle(d.typed(0, words...)...)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- d.h.TellNears(ctx) }()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if told, commands := d.nears(); len(told) != 1000 || commands != 10 {
			t.Errorf("%d texts in %d commands", len(told), commands)
		}
		d.handle(d.typed(5_000, "sotp")...)
		refuse := func(with error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.refuse = with
		}
		refuse(errors.New("away"))
		time.Sleep(time.Second)
		synctest.Wait()
		refuse(nil)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestWhoSaidAWordOfALanguageIsAnsweredInIt(t *testing.T) {
	d := newDesk(t)
	a := d.accounts["acme"]
	a.Lists = slices.Clone(a.Lists)
	a.Lists[0].Languages = map[string]optout.Language{
		"fr": {Keywords: []string{"arrêt"}, OptinKeywords: []string{"reprendre"}, Confirmation: "Adieu.", OptinMessage: "Re-bonjour."},
		"de": {Keywords: []string{"halt"}},
	}
	a.Lists[0].WebhookURL = "https://example.com"
	d.accounts["acme"] = a
	for words, want := range map[string]string{
		"ARRET": "Adieu.", "reprendre": "Re-bonjour.", "halt": optout.DefaultConfirmation, "stop": optout.DefaultConfirmation, "start": optout.DefaultOptinMessage,
	} {
		before := len(d.changes())
		d.handle(d.typed(before, words)...)
		c := d.changes()[before]
		if c.Confirm == nil || len(c.Confirm.Texts) != 1 || c.Confirm.Texts[0].Body != want {
			t.Errorf("%s: %+v", words, c.Confirm)
		}
		if c.Marks[0].Feed != c.Out {
			t.Errorf("%s: the feed is told of opt-outs alone: %+v", words, c.Marks)
		}
	}
}
