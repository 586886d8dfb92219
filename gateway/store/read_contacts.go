package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/chat"
	"optgate/pipeline/contact"
)

// Contact reads one contact; nil where there is none.
func (s *Store) Contact(ctx context.Context, account string, p chat.Pseudonym) (*contact.Contact, error) {
	states, err := s.States(ctx, s.shards.Of(p), contact.Key(account, p))
	if err != nil || states[0] == nil {
		return nil, err
	}
	c := &contact.Contact{}
	if err := json.Unmarshal(states[0], c); err != nil {
		return nil, fmt.Errorf("read a contact: %w", err)
	}
	return c, nil
}

// contactsAtOnce bounds the states that are read in one pipeline.
const contactsAtOnce = 1000

// Contacts reads the contacts that are filed under identifiers of an account; whoever is none is missing. It refuses with
// fault.NotCertain where the view may be behind.
func (s *Store) Contacts(ctx context.Context, account string, ids []chat.Identifier) (map[chat.Identifier]contact.Contact, error) {
	l, err := s.Lexicon(ctx, account) // the key of pseudonyms never changes
	if err != nil {
		return nil, err
	}
	found := map[chat.Identifier]contact.Contact{}
	hash := l.Account.Key.Hasher()
	for some := range slices.Chunk(ids, contactsAtOnce) {
		people := make([]chat.Pseudonym, len(some))
		for i, id := range some {
			people[i] = hash.Pseudonym(id)
		}
		states, err := s.everywhere(ctx, people, func(p chat.Pseudonym) []string { return []string{contact.Key(account, p)} })
		if err != nil {
			return nil, err
		}
		for i, of := range states {
			var c contact.Contact
			if readContact(of[0], &c) {
				found[some[i]] = c
			}
		}
	}
	return found, nil
}

// everywhere reads states of many people, each in its own shard, in one pipeline; every shard concerned must be certain.
func (s *Store) everywhere(ctx context.Context, people []chat.Pseudonym, keys func(chat.Pseudonym) []string) ([][][]byte, error) {
	asked, places := map[int][]string{}, map[int][]int{}
	for i, p := range people {
		at := s.shards.Of(p)
		asked[at], places[at] = append(asked[at], keys(p)...), append(places[at], i)
	}
	shards := make([]int, 0, len(asked))
	for at := range asked {
		shards = append(shards, at)
	}
	reads := map[int]*redis.SliceCmd{}
	certain := s.sandwich(ctx, shards, func(pipe redis.Pipeliner) {
		for at, names := range asked {
			reads[at] = pipe.HMGet(ctx, s.key(at, keyStates), names...)
		}
	})
	found := make([][][]byte, len(people))
	for at, read := range reads {
		if err := read.Err(); err != nil {
			return nil, uncertain(fmt.Errorf("read states: %w", err))
		}
		if !certain[at] {
			return nil, uncertain(fmt.Errorf("shard %d has no lease", at))
		}
		states := values(read.Val())
		each := len(states) / len(places[at])
		for n, i := range places[at] {
			found[i] = states[n*each : (n+1)*each]
		}
	}
	return found, nil
}

// ContactPage pages through an account's contacts in an order that stays while contacts come and go: by shard and identifier,
// or, where a tag or a category is looked for, by shard and pseudonym. after is the cursor that the page before gave, "" at
// first; next is "" on the last page. A page of a search may be short, and even empty, with others after it.
func (s *Store) ContactPage(ctx context.Context, account string, search contact.Search, after string, limit int) (page []contact.Contact, next string, err error) {
	at, from, err := parseCursor(after)
	if err != nil {
		return nil, "", err
	}
	walk, ends := s.contactsByName, int(s.shards)
	if search.Tag != "" || search.Category != "" {
		walk, ends = s.contactsBySet, int(s.shards)*chat.Subsets
	}
	for looks := 0; at < ends; at, from = at+1, "-" {
		for {
			stretch, err := walk(ctx, at, account, search, from, limit-len(page))
			if err != nil {
				return nil, "", err
			}
			page = append(page, stretch.found...)
			if len(page) == limit {
				return page, formatCursor(at, stretch.last), nil
			}
			if !stretch.more {
				break
			}
			if looks++; looks == scans {
				return page, formatCursor(at, stretch.last), nil
			}
			from = "(" + stretch.last
		}
	}
	return page, "", nil
}

// stretch is what one look at a part of the contacts found.
type stretch struct {
	found []contact.Contact
	last  string // looked at last
	more  bool   // there may be others in this part
}

// contactsByName reads contacts of a shard in the order of their identifiers.
func (s *Store) contactsByName(ctx context.Context, at int, account string, search contact.Search, from string, want int) (stretch, error) {
	n := pageScan
	if search.Who.Everybody() {
		n = want
	}
	var page *redis.StringSliceCmd
	certain := s.sandwich(ctx, []int{at}, func(pipe redis.Pipeliner) {
		page = pipe.ZRangeArgs(ctx, redis.ZRangeArgs{
			Key: s.key(at, contactsName(account)), Start: from, Stop: "+", ByLex: true, Count: int64(n)})
	})
	if err := page.Err(); err != nil {
		return stretch{}, uncertain(fmt.Errorf("page of contacts: %w", err))
	}
	if !certain[at] {
		return stretch{}, uncertain(fmt.Errorf("shard %d has no lease", at))
	}
	found := stretch{more: len(page.Val()) == n}
	var people []chat.Pseudonym
	for _, text := range page.Val() {
		if len(people) == want {
			found.more = true
			break
		}
		found.last = text
		if id, _, p, ok := parseMember(text); ok && search.Who.Finds(id, "") {
			people = append(people, p)
		}
	}
	return found, s.show(ctx, at, account, search, people, &found)
}

// contactsBySet reads contacts of a subset of a shard that have a tag or a category, in the order of their pseudonyms.
func (s *Store) contactsBySet(ctx context.Context, at int, account string, search contact.Search, from string, want int) (stretch, error) {
	shard, subset := at/chat.Subsets, at%chat.Subsets
	name := contactSet(account, byTag, search.Tag, subset)
	if search.Tag == "" {
		name = contactSet(account, byCategory, search.Category, subset)
	}
	var members *redis.StringSliceCmd
	certain := s.sandwich(ctx, []int{shard}, func(pipe redis.Pipeliner) { members = pipe.SMembers(ctx, s.key(shard, name)) })
	if err := members.Err(); err != nil {
		return stretch{}, uncertain(fmt.Errorf("page of contacts: %w", err))
	}
	if !certain[shard] {
		return stretch{}, uncertain(fmt.Errorf("shard %d has no lease", shard))
	}
	people := pseudonyms(members.Val())
	slices.Sort(people)
	if len(from) > 1 { // after one
		last, err := strconv.ParseInt(from[1:], 10, 64)
		if err != nil {
			return stretch{}, nil //nolint:nilerr // of a cursor that nobody gave: nothing follows
		}
		here, same := slices.BinarySearch(people, chat.Pseudonym(last))
		if same {
			here++
		}
		people = people[here:]
	}
	found := stretch{}
	if len(people) > want {
		people, found.more = people[:want], true
	}
	if len(people) == 0 {
		return found, nil
	}
	found.last = people[len(people)-1].String()
	return found, s.show(ctx, shard, account, search, people, &found)
}

// show reads the contacts of people, and keeps those that are looked for.
func (s *Store) show(ctx context.Context, shard int, account string, search contact.Search, people []chat.Pseudonym, into *stretch) error {
	if len(people) == 0 {
		return nil
	}
	keys := make([]string, len(people))
	for i, p := range people {
		keys[i] = contact.Key(account, p)
	}
	states, err := s.States(ctx, shard, keys...)
	if err != nil {
		return err
	}
	for _, state := range states {
		var c contact.Contact
		if readContact(state, &c) && search.Finds(c) {
			into.found = append(into.found, c)
		}
	}
	return nil
}
