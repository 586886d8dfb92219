// Package contact decides what an account knows of people beside their consent: names, tags, categories and attributes. A
// contact says nothing of whether somebody may be written to, and nobody has to be one to be on a list or in a broadcast.
package contact

import (
	"encoding/json"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// Contact is the state of one contact: key Key, in the shard of its first identifier's pseudonym. By that identifier it is
// found; whoever is filed under another one first is another contact.
type Contact struct {
	V          int               `json:"v"`
	Who        []optout.Ref      `json:"who"` // its own identifier, then others of the same person, at most one of each kind
	Name       string            `json:"name,omitempty"`
	Tags       []string          `json:"tags,omitempty"`       // sorted, each once
	Categories []string          `json:"categories,omitempty"` // sorted, each once
	Attributes map[string]string `json:"attributes,omitempty"`
	Created    int64             `json:"created"` // ms since 1970
	Updated    int64             `json:"updated"` // ms since 1970
}

// Key is the key of a contact's state.
func Key(account string, p chat.Pseudonym) string { return "contact/" + account + "/" + p.String() }

// ParseKey reads what Key wrote; ok is false for anything else.
func ParseKey(key string) (account string, p chat.Pseudonym, ok bool) {
	family, rest, _ := strings.Cut(key, "/")
	account, number, found := strings.Cut(rest, "/")
	n, err := strconv.ParseInt(number, 10, 64)
	return account, chat.Pseudonym(n), family == "contact" && found && err == nil
}

// Tag names what a contact is at this moment; any change gives another one.
func (c Contact) Tag() string {
	state, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	sum := fnv.New64a()
	_, _ = sum.Write(state) // a hash never fails
	return strconv.FormatUint(sum.Sum64(), 16)
}

// Other gives the contact's further identifier of a kind; a zero Ref where there is none.
func (c Contact) Other(kind string) optout.Ref {
	for i, ref := range c.Who {
		if i > 0 && ref.ID.Kind() == kind {
			return ref
		}
	}
	return optout.Ref{}
}

// HasTag says whether the contact has a tag.
func (c Contact) HasTag(tag string) bool { return slices.Contains(c.Tags, tag) }

// HasCategory says whether the contact has a category.
func (c Contact) HasCategory(category string) bool { return slices.Contains(c.Categories, category) }
