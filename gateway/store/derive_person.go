package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// standing is what the view shows of an optout.Person.
type standing struct {
	ID      chat.Identifier `json:"id"`
	Entries []struct {
		List    string `json:"list"`
		Channel string `json:"channel"`
		Out     int64  `json:"opted_out_at"`
		In      int64  `json:"opted_in_at"`
	} `json:"entries"`
}

// derivePerson adds the memberships of one identifier: in the sets that the gate asks, and in the pages of the lists.
func (s *Store) derivePerson(ops []op, c shard.Change) []op {
	account, pseudonym, err := personOf(c.Key)
	if err != nil {
		return ops // nobody but optout.PersonKey makes such keys
	}
	var now standing
	gone := !now.read(c.New) // what is gone bars nobody
	if gone {
		now.read(c.Old)
	}
	who := pseudonym.String()
	for _, e := range now.Entries {
		set := s.setOf(account, e.List, e.Channel, pseudonym)
		page := member(now.ID, e.Channel, who)
		if !gone && (optout.Entry{Out: e.Out, In: e.In}).Barred() {
			ops = append(ops, op{sAdd, set, who, ""})
			if now.ID != "" {
				ops = append(ops, op{zAdd, membersName(account, e.List), page, ""})
			}
			continue
		}
		ops = append(ops, op{sRem, set, who, ""}, op{zRem, membersName(account, e.List), page, ""})
	}
	if gone || !drops(c.Old, c.New) {
		return ops
	}
	var before standing
	before.read(c.Old)
	for _, e := range before.Entries {
		if !now.has(e.List, e.Channel) {
			set := s.setOf(account, e.List, e.Channel, pseudonym)
			ops = append(ops, op{sRem, set, who, ""}, op{zRem, membersName(account, e.List), member(before.ID, e.Channel, who), ""})
		}
	}
	return ops
}

// setOf names the set that somebody on a list is in. The blacklist isn't cut into subsets; see blocks.
func (s *Store) setOf(account, list, channel string, p chat.Pseudonym) string {
	subset := s.shards.Subset(p)
	if list == gate.Blacklist {
		subset = 0
	}
	return setName(account, list, channel, subset)
}

// drops says whether a state of a person lacks an entry that the one before had, as happens where a list was deleted. It
// looks for the beginning of each entry alone, so that other changes needn't read two states.
func drops(before, now []byte) bool {
	for {
		_, entry, found := bytes.Cut(before, []byte(`{"list":`))
		if !found {
			return false
		}
		before = entry
		end := bytes.IndexByte(entry, ',')
		if end >= 0 {
			end += 1 + bytes.IndexAny(entry[end+1:], ",}")
		}
		if end < 0 || !bytes.Contains(now, entry[:end]) {
			return true
		}
	}
}

func (s *standing) has(list, channel string) bool {
	for _, e := range s.Entries {
		if e.List == list && e.Channel == channel {
			return true
		}
	}
	return false
}

// read reads a state, if there is one.
func (s *standing) read(state []byte) bool { return state != nil && json.Unmarshal(state, s) == nil }

// personOf reads what optout.PersonKey wrote.
func personOf(key string) (account string, p chat.Pseudonym, err error) {
	_, rest, _ := strings.Cut(key, "/")
	account, number, ok := strings.Cut(rest, "/")
	if !ok {
		return "", 0, errors.New("a person's key without a pseudonym")
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return account, chat.Pseudonym(n), err
}

// member writes a member of a list's pages: identifier, channel, pseudonym. It sorts by the identifier.
func member(id chat.Identifier, channel, pseudonym string) string {
	return string(id) + "|" + channel + "|" + pseudonym
}

// parseMember reads what member wrote. Neither a channel nor a pseudonym holds the divider.
func parseMember(text string) (id chat.Identifier, channel string, p chat.Pseudonym, ok bool) {
	last := strings.LastIndexByte(text, '|')
	if last < 0 {
		return "", "", 0, false
	}
	first := strings.LastIndexByte(text[:last], '|')
	if first < 0 {
		return "", "", 0, false
	}
	n, err := strconv.ParseInt(text[last+1:], 10, 64)
	return chat.Identifier(text[:first]), text[first+1 : last], chat.Pseudonym(n), err == nil
}
