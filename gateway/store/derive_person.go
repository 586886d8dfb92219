package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// derivePerson gives the memberships of one identifier: in the sets that the gate asks, and in the pages of the lists.
func (s *Store) derivePerson(c shard.Change) []op {
	account, pseudonym, err := personOf(c.Key)
	if err != nil {
		return nil // nobody but optout.PersonKey makes such keys
	}
	var before, now optout.Person
	read := func(state []byte, into *optout.Person) bool {
		return state != nil && json.Unmarshal(state, into) == nil
	}
	if !read(c.New, &now) {
		read(c.Old, &before)
		for i := range before.Entries {
			before.Entries[i].In, before.Entries[i].Out = 1, 0 // what is gone bars nobody
		}
		now = before
	}
	ops := make([]op, 0, 2*len(now.Entries))
	for _, e := range now.Entries {
		set := setName(account, e.List, e.Channel, s.shards.Subset(pseudonym))
		page := member(now.ID, e.Channel, pseudonym)
		if e.Barred() {
			ops = append(ops, op{sAdd, set, pseudonym.String(), ""})
			if now.ID != "" {
				ops = append(ops, op{zAdd, membersName(account, e.List), page, ""})
			}
			continue
		}
		ops = append(ops, op{sRem, set, pseudonym.String(), ""}, op{zRem, membersName(account, e.List), page, ""})
	}
	return ops
}

// personOf reads what optout.PersonKey wrote.
func personOf(key string) (account string, p chat.Pseudonym, err error) {
	parts := strings.Split(key, "/")
	if len(parts) != 3 {
		return "", 0, fmt.Errorf("%d parts in a person's key", len(parts))
	}
	n, err := strconv.ParseInt(parts[2], 10, 64)
	return parts[1], chat.Pseudonym(n), err
}

// member writes a member of a list's pages: identifier, channel, pseudonym. It sorts by the identifier.
func member(id chat.Identifier, channel string, p chat.Pseudonym) string {
	return strings.Join([]string{string(id), channel, p.String()}, "|")
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
