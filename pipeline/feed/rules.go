package feed

import (
	"errors"
	"strings"

	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands about deliveries, besides optout.CommandOffer. All go to the shard that the ids name.
const (
	KindTried  = "feed.tried"  // what became of attempts
	KindReplay = "feed.replay" // deliveries are tried anew
	KindForget = "feed.forget" // their time is over
)

// Tried is the body of a feed.tried.
type Tried struct {
	Results []Result `json:"results"`
}

// Result says what became of one attempt, or of a delivery that needs none any more.
type Result struct {
	ID      string   `json:"id"`
	Try     int      `json:"try"`               // the delivery's Tries before it
	Attempt *Attempt `json:"attempt,omitempty"` // nil: nobody was called
	Status  Status   `json:"status"`            // what it becomes
	Error   string   `json:"error,omitempty"`   // why it is given up
	Next    int64    `json:"next,omitempty"`    // ms since 1970, of one that stays pending
	At      int64    `json:"at"`                // ms since 1970
}

// Replay is the body of a feed.replay.
type Replay struct {
	IDs  []string `json:"ids"`
	Dead bool     `json:"dead,omitempty"` // only those that are given up
}

// Replayed is the value of its answer.
type Replayed struct {
	Replayed int `json:"replayed"`
}

// Forget is the body of a feed.forget.
type Forget struct {
	IDs []string `json:"ids"`
}

// Rules gives the folds of deliveries.
func Rules() shard.Rules {
	return shard.Rules{
		optout.CommandOffer: {Keys: offerKeys, Apply: applyOffer},
		KindTried:           {Keys: triedKeys, Apply: applyTried},
		KindReplay:          {Keys: replayKeys, Apply: applyReplay},
		KindForget:          {Keys: forgetKeys, Apply: applyForget},
	}
}

func keysOf[T any](p shard.Place, c shard.Command, all []T, id func(T) string) ([]string, error) {
	if c.Account == "" || strings.Contains(c.Account, "/") || len(all) == 0 {
		return nil, errors.New("command names no delivery")
	}
	keys := make([]string, len(all))
	for i, one := range all {
		at, err := optout.DeliveryShard(id(one))
		if err != nil || at != p.Shard {
			return nil, errors.New("a delivery of another shard")
		}
		keys[i] = Ref{c.Account, id(one)}.Key()
	}
	return keys, nil
}

func itself(id string) string { return id }

func offerKeys(p shard.Place, c shard.Command) ([]string, error) {
	body, err := shard.Body[optout.Offers](c)
	if err != nil {
		return nil, err
	}
	return keysOf(p, c, body.Offers, func(o optout.Offer) string { return o.ID })
}

// applyOffer makes deliveries that are not there yet.
func applyOffer(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[optout.Offers](c)
	if err != nil {
		return err
	}
	for _, o := range body.Offers {
		var d Delivery
		key := Ref{c.Account, o.ID}.Key()
		if there, err := t.Get(key, &d); err != nil || there {
			if err != nil {
				return err
			}
			continue
		}
		d = Delivery{V: stream.Version, Account: c.Account, Offer: o, Made: c.Made, Status: Pending, Next: c.Made}
		if err := t.Put(key, d); err != nil {
			return err
		}
	}
	return nil
}

func triedKeys(p shard.Place, c shard.Command) ([]string, error) {
	body, err := shard.Body[Tried](c)
	if err != nil {
		return nil, err
	}
	return keysOf(p, c, body.Results, func(r Result) string { return r.ID })
}

func applyTried(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[Tried](c)
	if err != nil {
		return err
	}
	for _, r := range body.Results {
		var d Delivery
		key := Ref{c.Account, r.ID}.Key()
		there, err := t.Get(key, &d)
		if err != nil {
			return err
		}
		if !there || !d.take(r) {
			continue
		}
		if err := t.Put(key, d); err != nil {
			return err
		}
		if d.Status == Dead {
			if err := bury(t, &d); err != nil {
				return err
			}
		}
	}
	return nil
}

// take makes a result the delivery's, and says whether it counts. Of two runners that tried the same at once the first one
// to tell counts, unless the other one has delivered: what has arrived is not given up.
func (d *Delivery) take(r Result) bool {
	arrived := r.Status == Delivered && d.Status != Delivered
	if r.Try < d.Round || !arrived && (d.Status != Pending || r.Try != d.Tries) {
		return false
	}
	if r.Attempt != nil {
		d.Tries = max(d.Tries, r.Try+1)
		d.Attempts = append(d.Attempts, *r.Attempt)
		d.Attempts = d.Attempts[max(0, len(d.Attempts)-attemptsKept):]
	}
	d.Status, d.Error, d.Next, d.Done = r.Status, r.Error, 0, r.At
	if r.Status == Pending {
		d.Next, d.Done = r.Next, 0
	}
	return true
}

func replayKeys(p shard.Place, c shard.Command) ([]string, error) {
	body, err := shard.Body[Replay](c)
	if err != nil {
		return nil, err
	}
	keys, err := keysOf(p, c, body.IDs, itself)
	return append(keys, shard.AnswerKey(c.ID)), err
}

// applyReplay makes deliveries due at once, with another day before them.
func applyReplay(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[Replay](c)
	if err != nil {
		return err
	}
	var before shard.Answer
	if again, err := t.Get(shard.AnswerKey(c.ID), &before); err != nil || again {
		return err
	}
	said := Replayed{}
	for _, id := range body.IDs {
		var d Delivery
		key := Ref{c.Account, id}.Key()
		there, err := t.Get(key, &d)
		if err != nil {
			return err
		}
		if !there || body.Dead && d.Status != Dead {
			continue
		}
		d.Status, d.Error, d.Done, d.Round = Pending, "", 0, d.Tries
		d.Since, d.Next = c.Made, c.Made
		if err := t.Put(key, d); err != nil {
			return err
		}
		said.Replayed++
	}
	return t.Answer(c, shard.Answer{OK: true, Value: said})
}

func forgetKeys(p shard.Place, c shard.Command) ([]string, error) {
	body, err := shard.Body[Forget](c)
	if err != nil {
		return nil, err
	}
	return keysOf(p, c, body.IDs, itself)
}

// applyForget lets deliveries go whose time is over.
func applyForget(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[Forget](c)
	if err != nil {
		return err
	}
	for _, id := range body.IDs {
		var d Delivery
		key := Ref{c.Account, id}.Key()
		there, err := t.Get(key, &d)
		if err != nil {
			return err
		}
		if there && d.Status != Pending && c.Made >= d.KeptUntil() {
			t.Delete(key)
		}
	}
	return nil
}

// KeptUntil gives the time, in ms since 1970, from which a delivery that is done may be forgotten.
func (d *Delivery) KeptUntil() int64 {
	kept := KeptDelivered
	if d.Status == Dead {
		kept = KeptDead
	}
	return d.Done + kept.Milliseconds()
}

// ReplayCommand asks that deliveries of one shard be tried anew.
func ReplayCommand(id, account string, ids []string, made int64) (shard.Command, error) {
	return shard.NewCommand(id, KindReplay, account, made, Replay{IDs: ids})
}
