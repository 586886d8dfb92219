package optout

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// CommandNear counts near misses.
const CommandNear = "optout.near"

// NearMiss is a text that is nearly a stop word, and how often it came. Times are ms since 1970, of the messages.
type NearMiss struct {
	Text  string `json:"text"` // folded
	Count int    `json:"count"`
	First int64  `json:"first"`
	Last  int64  `json:"last"`
}

// NearMisses is the state of a list's near misses: key NearKey in the account's shard. Of more than 200 texts the one
// that was not said for the longest time gives way.
type NearMisses struct {
	V     int        `json:"v"`
	Texts []NearMiss `json:"texts"` // sorted by text
}

// NearKey is the key of a list's near misses.
func NearKey(account, list string) string { return "near/" + account + "/" + list }

const maxNear = 200

// Near is the body of an optout.near: near misses that came since the last one.
type Near struct {
	Misses []ListedNear `json:"misses"`
}

// ListedNear is a near miss with the lists that it concerns.
type ListedNear struct {
	NearMiss
	Lists []string `json:"lists"`
}

// Record gives the command for the account's shard.
func (n Near) Record(shards chat.Shards, id, account string, made int64) (*stream.Record, error) {
	c, err := shard.NewCommand(id, CommandNear, account, made, n)
	if err != nil {
		return nil, err
	}
	return c.Record(shards.Account(account))
}

func nearKeys(p shard.Place, c shard.Command) ([]string, error) {
	if p.Shards.Account(c.Account) != p.Shard {
		return nil, errors.New("near misses are counted in their account's shard")
	}
	near, err := shard.Body[Near](c)
	if err != nil {
		return nil, err
	}
	keys := []string{AccountKey(c.Account)}
	for i := range near.Misses {
		for _, list := range near.Misses[i].Lists {
			if key := NearKey(c.Account, list); !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys, nil
}

// applyNear adds to the states of lists that are there. What has become a word of its list since then is none any more.
func applyNear(t *shard.Turn, c shard.Command) error {
	near, err := shard.Body[Near](c)
	if err != nil {
		return err
	}
	var a Account
	if known, err := t.Get(AccountKey(c.Account), &a); err != nil || !known {
		return err
	}
	words, counted := a.keywords(), map[string]*NearMisses{}
	for i := range near.Misses {
		for _, list := range near.Misses[i].Lists {
			at := a.index(list)
			means := func(m meaning) bool { return m.list == at }
			if at < 0 || slices.ContainsFunc(words[near.Misses[i].Text], means) {
				continue
			}
			state := counted[list]
			if state == nil {
				state = &NearMisses{}
				counted[list] = state
				if _, err := t.Get(NearKey(c.Account, list), state); err != nil {
					return err
				}
			}
			state.add(near.Misses[i].NearMiss)
		}
	}
	for _, list := range a.Lists {
		if state := counted[list.ID]; state != nil {
			state.V = stream.Version
			if err := t.Put(NearKey(c.Account, list.ID), state); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *NearMisses) find(text string) (int, bool) {
	return slices.BinarySearchFunc(s.Texts, text, func(m NearMiss, text string) int { return strings.Compare(m.Text, text) })
}

func (s *NearMisses) add(m NearMiss) {
	if m.Text == "" || m.Count <= 0 {
		return
	}
	i, known := s.find(m.Text)
	if known {
		k := &s.Texts[i]
		k.Count, k.First, k.Last = k.Count+m.Count, min(k.First, m.First), max(k.Last, m.Last)
		return
	}
	s.Texts = slices.Insert(s.Texts, i, m)
	for len(s.Texts) > maxNear {
		oldest := slices.MinFunc(s.Texts, func(a, b NearMiss) int { return cmp.Or(cmp.Compare(a.Last, b.Last), strings.Compare(a.Text, b.Text)) })
		i, _ := s.find(oldest.Text)
		s.Texts = slices.Delete(s.Texts, i, i+1)
	}
}

// adopt makes a near miss a stop word of a list; false where there is no such near miss.
func (t *listTurn) adopt(l *List, text string) (bool, error) {
	var near NearMisses
	if _, err := t.Get(NearKey(t.account.ID, l.ID), &near); err != nil {
		return false, err
	}
	text = FoldText(text)
	if _, known := near.find(text); !known {
		return false, nil
	}
	l.Keywords = append(slices.Clone(l.Keywords), text)
	return true, nil
}

// tidy forgets near misses that have become words of their list.
func (t *listTurn) tidy(l List) error {
	var near NearMisses
	key := NearKey(t.account.ID, l.ID)
	if known, err := t.Get(key, &near); err != nil || !known {
		return err
	}
	words, before := Account{Lists: []List{l}}.keywords(), len(near.Texts)
	near.Texts = slices.DeleteFunc(near.Texts, func(m NearMiss) bool { return words[m.Text] != nil })
	if len(near.Texts) == before {
		return nil
	}
	return t.Put(key, near)
}
