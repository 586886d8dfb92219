package meta

import (
	"errors"

	"optgate/pipeline/chat"
)

// Why a webhook's body holds no items. The whole body goes to dead then, as it came.
var (
	ErrNotJSON     = errors.New("body is no JSON")
	ErrNotEnvelope = errors.New("body is no envelope of Meta's: object or entry is missing or unknown")
	ErrEmpty       = errors.New("envelope is empty")
	ErrTooMany     = errors.New("envelope holds more than 10,000 items")
)

// maxItems is ten times what Meta says it batches; it bounds what a body of 3 MiB can grow to when it is split.
const maxItems = 10_000

// platform gives the platform of an envelope's object.
func platform(object string) string {
	switch object {
	case "whatsapp_business_account":
		return chat.WhatsApp
	case "page":
		return chat.Messenger
	case "instagram":
		return chat.Instagram
	}
	return ""
}

// lists names the arrays of a WhatsApp value whose elements are items, and what an element is called.
var lists = map[string]string{
	"messages":         "message",
	"statuses":         "receipt",
	"user_preferences": "preference",
	"user_id_update":   "identity",
	"message_echoes":   "echo",
	"history":          "history",
	"errors":           "error",
	"calls":            "call",
	"groups":           "group",
	"state_sync":       "contact",
}

// other is what an item is called that stands in no such array.
const other = "other"

// place is where items stand: all that surrounds them in the envelope. What an item has not around it is nil.
type place struct {
	platform string
	object   []byte // as written
	entry    object
	list     string // of the entry: changes, messaging, standby
	change   object
	value    object
	contacts [][]byte
	people   map[string][]int // identifier → the contacts that show it
	around   surroundings
}

// found is one item and where it stands.
type found struct {
	*place
	array   string // of the value, as messages; "" for an element of the entry's list, or of entry itself
	standby object // that the array stands in; nil where it stands in the value itself
	item    []byte
	shown   []string // the identifiers it shows, where it has neighbours
}

// walk finds the items of an envelope, in their order. Every element of a known array is one, whatever its type; a change
// or an entry without any such array is one as a whole.
func walk(body []byte) ([]found, error) {
	if !valid(body) {
		return nil, ErrNotJSON
	}
	return itemsOf(body)
}

// itemsOf finds the items of an envelope that is known to be sound.
func itemsOf(body []byte) ([]found, error) {
	top := members(body)
	name := top.get("object")
	p := platform(scalar(name))
	if p == "" {
		return nil, ErrNotEnvelope
	}
	var items []found
	seen := false
	for _, m := range top {
		entries, ok := elements(m.value)
		if m.key != "entry" || !ok {
			continue
		}
		seen = true
		for _, entry := range entries {
			if items = append(items, entryItems(p, name, entry)...); len(items) > maxItems {
				return nil, ErrTooMany
			}
		}
	}
	switch {
	case !seen:
		return nil, ErrNotEnvelope
	case len(items) == 0:
		return nil, ErrEmpty
	}
	return items, nil
}

func entryItems(platform string, name, entry []byte) []found {
	var items []found
	whole := true
	e := members(entry)
	for _, m := range e {
		within, ok := elements(m.value)
		if !ok || !entryList(m.key) {
			continue
		}
		whole = false
		at := &place{platform: platform, object: name, entry: e, list: m.key}
		for _, item := range within {
			if m.key == "changes" && platform == chat.WhatsApp {
				items = append(items, changeItems(at, item)...)
			} else {
				items = append(items, found{place: at, item: item})
			}
		}
	}
	if whole {
		return []found{{place: &place{platform: platform, object: name}, item: entry}}
	}
	return items
}

func entryList(key string) bool { return key == "changes" || key == "messaging" || key == "standby" }

func changeItems(at *place, change []byte) []found {
	var items []found
	c := members(change)
	for _, m := range c {
		if m.key == "value" {
			in := *at
			in.change, in.value = c, members(m.value)
			items = append(items, valueItems(&in)...)
		}
	}
	if len(items) == 0 {
		return []found{{place: at, item: change}}
	}
	return items
}

func valueItems(in *place) []found {
	in.addContacts(in.value)
	items := arrays(in, in.value, nil)
	for _, m := range in.value {
		if m.key != "standby" {
			continue
		}
		if standby := members(m.value); standby != nil {
			in.addContacts(standby)
			items = append(items, arrays(in, standby, standby)...)
			continue
		}
		within, _ := elements(m.value) // standby that is neither object nor array goes along as any other member
		for _, item := range within {
			items = append(items, found{place: in, array: "messages", standby: object{}, item: item})
		}
	}
	return items
}

// addContacts takes the contacts out of an object; those that are no array go along as any other member.
func (p *place) addContacts(from object) {
	for _, m := range from {
		if m.key == "contacts" {
			contacts, _ := elements(m.value)
			p.contacts = append(p.contacts, contacts...)
		}
	}
}

// arrays finds the items in the known arrays of an object. One that is no array is an item as it is, unless it is null.
func arrays(at *place, in, standby object) []found {
	var items []found
	for _, m := range in {
		if lists[m.key] == "" || isNull(m.value) {
			continue
		}
		within, ok := elements(m.value)
		if !ok {
			within = [][]byte{m.value}
		}
		for _, item := range within {
			items = append(items, found{place: at, array: m.key, standby: standby, item: item})
		}
	}
	return items
}
