package meta

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"optgate/pipeline/chat"
)

// who gathers the identifiers of one person. Its order is phone, BSUID, parent BSUID, whatever the order of arrival.
type who struct {
	phones, users, parents []shown
}

// shown is one identifier and how the webhook wrote it.
type shown struct {
	id    chat.Identifier
	given string
}

// number takes what stands where a phone belongs: its digits, or a BSUID put there.
func (w *who) number(text string) {
	text = strings.TrimSpace(text)
	if _, ok := chat.BSUID(text); ok {
		w.user(text)
		return
	}
	digits := strings.TrimPrefix(text, "+")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return
	}
	id, err := chat.Phone(digits, "")
	if err != nil { // what can be no phone at all is still that person's
		id = chat.Identifier(chat.KindPhone + ":" + digits)
	}
	w.phones = add(w.phones, shown{id, text})
}

// user takes a BSUID, a parent's too. One of a form we do not know is still that person's.
func (w *who) user(text string) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 256 {
		return
	}
	id, ok := chat.BSUID(text)
	if !ok {
		id = chat.Identifier(chat.KindBSUID + ":" + text)
	}
	if strings.Contains(text, ".ENT.") {
		w.parents = add(w.parents, shown{id, text})
	} else {
		w.users = add(w.users, shown{id, text})
	}
}

// parent takes a parent BSUID.
func (w *who) parent(text string) {
	users := w.users
	w.users = nil
	w.user(text)
	for _, s := range w.users { // a parent without the usual mark
		w.parents = add(w.parents, s)
	}
	w.users = users
}

func add(list []shown, s shown) []shown {
	if slices.ContainsFunc(list, func(o shown) bool { return o.id == s.id }) {
		return list
	}
	return append(list, s)
}

func (w *who) empty() bool { return len(w.phones)+len(w.users)+len(w.parents) == 0 }

// all goes over the identifiers in order.
func (w *who) all(yield func(shown) bool) {
	for _, list := range [...][]shown{w.phones, w.users, w.parents} {
		for _, s := range list {
			if !yield(s) {
				return
			}
		}
	}
}

// list gives the identifiers in order, and the first as it was shown.
func (w *who) list() (ids []chat.Identifier, given string) {
	if w.empty() {
		return nil, ""
	}
	ids = make([]chat.Identifier, 0, len(w.phones)+len(w.users)+len(w.parents))
	for s := range w.all {
		if len(ids) == 0 {
			given = s.given
		}
		ids = append(ids, s.id)
	}
	return ids, given
}

func (w *who) has(id chat.Identifier) bool {
	for s := range w.all {
		if s.id == id {
			return true
		}
	}
	return false
}

// without gives the identifiers in order except those that another person has too.
func (w *who) without(other *who) []chat.Identifier {
	var ids []chat.Identifier
	for s := range w.all {
		if !other.has(s.id) {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// meets says whether the other has any of the identifiers.
func (w *who) meets(other *who) bool {
	for s := range w.all {
		if other.has(s.id) {
			return true
		}
	}
	return false
}

func (w *who) add(other *who) {
	for _, s := range other.phones {
		w.phones = add(w.phones, s)
	}
	for _, s := range other.users {
		w.users = add(w.users, s)
	}
	for _, s := range other.parents {
		w.parents = add(w.parents, s)
	}
}

// complete adds what the contacts show of the same person. An item that names nobody is the only contact's.
func (w *who) complete(contacts [][]byte) {
	for _, raw := range contacts {
		c := members(raw)
		var person who
		if id := c.text("wa_id"); len(w.phones) > 0 && w.phones[0].given == id { // by far the most often; phones are slow to read
			person.phones = w.phones[:1:1]
		} else {
			person.number(id)
		}
		person.user(c.text("user_id"))
		person.parent(c.text("parent_user_id"))
		if person.meets(w) || w.empty() && len(contacts) == 1 {
			w.add(&person)
		}
	}
}

// The times that a webhook may name, in seconds since 1970: from before WhatsApp began to the year 2100.
const (
	earliest = 1_230_768_000
	latest   = 4_102_444_800
)

// moment reads a time: seconds or milliseconds since 1970, as a string or a number. Nonsense is the zero time.
func moment(text string) time.Time {
	whole, _, _ := strings.Cut(strings.TrimSpace(text), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}
	}
	if n < 1e12 {
		if n > latest {
			return time.Time{}
		}
		n *= 1000
	}
	if n < earliest*1000 || n > latest*1000 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
