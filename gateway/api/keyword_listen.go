package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// listener hears what was said in the past to one account.
type listener struct {
	a        *API
	account  optout.Account
	hash     *chat.Hasher
	list     optout.List
	channel  string // "": any
	since    time.Time
	words    *optout.KeywordReplay
	totals   replayTotals
	progress time.Time // of the last line of progress
}

func (a *API) listener(account optout.Account, asked replayWords) (*listener, error) {
	var wrong []fault.Field
	add := func(field, code, detail string) {
		wrong = append(wrong, fault.Field{Field: field, Code: code, Detail: detail})
	}
	k := &listener{a: a, account: account, hash: account.Key.Hasher(), channel: asked.Channel, words: optout.NewKeywordReplay(asked.Keywords)}
	if n := len(asked.Keywords); n < 1 || n > replayWordsMost {
		add("keywords", "out_of_range", fmt.Sprintf("are 1 to %d words", replayWordsMost))
	}
	for i, word := range k.words.Keywords {
		if word.Folded == "" || utf8.RuneCountInString(word.Keyword) > replayWordMost {
			add(fmt.Sprintf("keywords[%d]", i), "not_a_keyword", fmt.Sprintf("has letters or digits, and at most %d characters", replayWordMost))
		}
	}
	if asked.Since == "" {
		asked.Since = "7d"
	}
	var ok bool
	if k.since, ok = instantOf(asked.Since, a.Now()); !ok {
		add("since", "not_a_time", notATime)
	}
	if asked.List == "" {
		asked.List = gate.DefaultList
	}
	if k.list, ok = account.List(asked.List); !ok {
		add("list", "unknown_list", "names a list that is not there")
	}
	if asked.Channel != "" {
		if _, ok := a.Directory.Channel(account.ID, asked.Channel); !ok {
			wrong = append(wrong, unknownChannel(asked.Channel))
		}
	}
	return k, wrongFields(wrong)
}

// listen reads inbound.
func (k *listener) listen(ctx context.Context, parts []stretch, say func(any) error) error {
	all := replayProgress{}
	for _, s := range parts {
		all.Of += s.to - s.from
	}
	k.progress = time.Now()
	for _, s := range parts {
		err := k.a.Topics.Read(ctx, stream.Inbound, s.partition, s.from, s.to, func(r stream.Record) error {
			k.totals.Read++
			if !r.Time.Before(k.since) {
				k.hear(&r)
			}
			if time.Since(k.progress) < progressEvery {
				return nil
			}
			k.progress = time.Now()
			return say(map[string]replayProgress{"progress": {Read: k.totals.Read, Of: all.Of}})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hear takes one record, as inbound.Handler would.
func (k *listener) hear(r *stream.Record) {
	in, ok := k.a.understood(r.Value)
	if in.Kind != chat.KindMessage && ok {
		return
	}
	channel, declared := k.a.Directory.ByNumber(in.Platform, in.NumberID)
	switch {
	case !ok:
		k.totals.Unreadable++ // of any account: nobody can tell whose it is
	case !declared || channel.Account != k.account.ID || len(in.Who) == 0 || !in.Acts:
	case k.channel != "" && channel.ID != k.channel, k.channel == "" && !k.list.Listens(channel.ID):
	default:
		k.totals.Messages++
		k.words.Hear(channel.ID, in.MessageID, k.hash.Pseudonym(in.Who[0]), in.Texts)
	}
}

// understood decodes a record, or salvages what can be; false where neither works.
func (a *API) understood(value []byte) (in chat.Inbound, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			in, ok = chat.Inbound{}, false // as what inbound puts into dead
		}
	}()
	in, err := a.Kept.Decode(value)
	if err != nil {
		return a.Kept.Salvage(value)
	}
	return in, true
}

// tell asks who of those people is opted out already, and says the numbers.
func (k *listener) tell(ctx context.Context, say func(any) error) error {
	everybody, out := map[chat.Pseudonym]string{}, map[chat.Pseudonym]bool{}
	for _, word := range k.words.Keywords {
		maps.Copy(everybody, word.People)
	}
	if err := k.optedOut(ctx, everybody, out); err != nil {
		return err
	}
	for _, word := range k.words.Keywords {
		line := replayKeyword{Keyword: word.Keyword, Folded: word.Folded, Messages: word.Messages, People: len(word.People)}
		for p := range word.People {
			if out[p] {
				line.OptedOut++
			}
		}
		if err := say(line); err != nil {
			return err
		}
	}
	k.totals.People, k.totals.OptedOut = len(everybody), len(out)
	k.totals.Since, k.totals.Complete = k.since.UTC().Format(time.RFC3339), !k.words.Full
	return say(map[string]replayTotals{"totals": k.totals})
}

// asksAtOnce bounds one question to the gate.
const asksAtOnce = 10_000

// optedOut asks the gate about everybody, and waits a while where it can't be certain.
func (k *listener) optedOut(ctx context.Context, everybody map[chat.Pseudonym]string, out map[chat.Pseudonym]bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for some := range slices.Chunk(slices.Sorted(maps.Keys(everybody)), asksAtOnce) {
		for len(some) > 0 {
			questions := make([]gate.Question, len(some))
			for i, p := range some {
				questions[i] = gate.Question{Account: k.account.ID, Channel: everybody[p], Pseudonym: p, Lists: []string{k.list.ID}}
			}
			var again []chat.Pseudonym
			for i, answer := range k.a.Broadcast.Gate.Ask(ctx, questions) {
				switch answer.Verdict {
				case gate.Unknown:
					again = append(again, some[i])
				case gate.Skip:
					out[some[i]] = true
				case gate.Go:
				}
			}
			if some = again; len(some) == 0 {
				break
			}
			select {
			case <-time.After(longestToLook):
			case <-ctx.Done():
				return errors.Join(context.Cause(ctx), errors.New("who is opted out can't be told"))
			}
		}
	}
	return nil
}
