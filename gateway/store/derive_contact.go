package store

import (
	"encoding/json"
	"maps"
	"slices"

	"optgate/pipeline/contact"
	"optgate/pipeline/shard"
)

// deriveContact keeps an account's contacts in the order of their identifiers, for pages and search, and who has which tag,
// which category and any value of which attribute. Values aren't indexed: most are one person's alone.
func (s *Store) deriveContact(ops []op, c shard.Change) []op {
	account, p, ok := contact.ParseKey(c.Key)
	if !ok {
		return ops
	}
	var before, now contact.Contact
	had, has := readContact(c.Old, &before), readContact(c.New, &now)
	if !had && !has {
		return ops
	}
	who, subset := p.String(), s.shards.Subset(p)
	listed := func(of contact.Contact) string { return member(of.Who[0].ID, "", who) }
	if has {
		ops = append(ops, op{zAdd, contactsName(account), listed(now), ""})
	} else {
		ops = append(ops, op{zRem, contactsName(account), listed(before), ""})
	}
	for _, by := range []struct {
		kind        string
		before, now []string
	}{
		{byTag, before.Tags, now.Tags},
		{byCategory, before.Categories, now.Categories},
		{byAttribute, slices.Sorted(maps.Keys(before.Attributes)), slices.Sorted(maps.Keys(now.Attributes))},
	} {
		for _, word := range by.now {
			ops = append(ops, op{sAdd, contactSet(account, by.kind, word, subset), who, ""})
		}
		for _, word := range by.before {
			if !slices.Contains(by.now, word) {
				ops = append(ops, op{sRem, contactSet(account, by.kind, word, subset), who, ""})
			}
		}
	}
	return ops
}

// readContact reads a state, if there is one.
func readContact(state []byte, into *contact.Contact) bool {
	return state != nil && json.Unmarshal(state, into) == nil && len(into.Who) > 0
}
