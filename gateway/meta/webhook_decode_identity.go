package meta

import (
	"regexp"
	"strings"

	"optgate/pipeline/chat"
)

// identityChange says whether a system message tells that a person's identifiers have changed: user_changed_number,
// user_changed_user_id, the older customer_changed_number, and what sounds like them; without a type, one that names another
// identifier. Types that tell of a changed device key (customer_identity_changed) are no such.
func identityChange(m object) bool {
	system := m.object("system")
	kind := system.text("type")
	if kind == "" {
		now := first(system.text("wa_id"), system.text("new_wa_id"))
		return system.text("previous_user_id") != "" || now != "" && now != m.text("from")
	}
	return strings.Contains(kind, "changed") && (strings.Contains(kind, "number") || strings.Contains(kind, "user_id"))
}

// changedPattern reads the sentence of a system message, whose end is Meta's; before it stands a name that anybody chose.
var changedPattern = regexp.MustCompile(`\bchanged from (` + writtenID + `) to (` + writtenID + `)\.?\s*$`)

// writtenID is a phone in any usual writing, or a BSUID.
const writtenID = `\+?[0-9][0-9 ().-]*[0-9]|[0-9A-Za-z.]*[0-9A-Za-z]`

// decodeIdentity understands user_changed_number and user_changed_user_id. In older shapes former identifiers stand in the
// sentence alone; who somebody is now is read out of it where no member says it.
func decodeIdentity(in *chat.Inbound, m object, contacts [][]byte) error {
	system := m.object("system")
	var now who
	now.number(first(system.text("wa_id"), system.text("new_wa_id")))
	now.user(system.text("user_id"))
	now.parent(system.text("parent_user_id"))
	before := sides(m, "from")
	if strings.Contains(system.text("type"), "user_id") { // the phone is still the person's
		now.phones, before.phones = append(now.phones, before.phones...), nil
	}
	before.number(system.text("customer"))
	before.user(system.text("previous_user_id"))
	before.parent(system.text("previous_parent_user_id"))
	if said := changedPattern.FindStringSubmatch(system.text("body")); said != nil {
		before.written(said[1])
		var to who
		to.written(said[2])
		now.lack(&to)
	}
	if !now.empty() {
		now.complete(contacts)
	}
	return changed(in, &now, before)
}

// written takes an identifier out of a sentence.
func (w *who) written(text string) {
	if plain := strings.Trim(text, "+0123456789 ().-"); plain == "" {
		text = digitsOf(text)
	}
	w.number(text)
}

// lack takes of another what there is none of here.
func (w *who) lack(other *who) {
	for _, one := range [...]struct{ mine, others *[]shown }{{&w.phones, &other.phones}, {&w.users, &other.users}, {&w.parents, &other.parents}} {
		if len(*one.mine) == 0 {
			*one.mine = *one.others
		}
	}
}

// decodeUpdate understands an element of user_id_update, a field that Meta has withdrawn.
func decodeUpdate(in *chat.Inbound, update object) error {
	var now, before who
	now.number(update.text("wa_id"))
	user, parent := update.object("user_id"), update.object("parent_user_id")
	now.user(first(user.text("current"), update.text("user_id")))
	now.parent(first(parent.text("current"), update.text("parent_user_id")))
	before.user(user.text("previous"))
	before.parent(parent.text("previous"))
	return changed(in, &now, &before)
}

func changed(in *chat.Inbound, now, before *who) error {
	in.Kind = chat.KindIdentity
	in.Who, in.Given = now.list()
	in.Before = before.without(now)
	if len(in.Who) == 0 || len(in.Before) == 0 {
		return unreadable("identity change does not say who became whom")
	}
	return nil
}
