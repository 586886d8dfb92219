package meta

import (
	"regexp"

	"optgate/pipeline/chat"
)

// identityChange says whether a system message tells that a person's identifiers have changed. Older types that tell of a
// changed device key (customer_identity_changed) are no such.
func identityChange(kind string) bool {
	switch kind {
	case "user_changed_number", "customer_changed_number", "user_changed_user_id":
		return true
	}
	return false
}

// changedPattern reads the sentence of a system message, whose end is Meta's; before it stands a name that anybody chose.
var changedPattern = regexp.MustCompile(`\bchanged from \+?([0-9A-Za-z.]+) to \+?([0-9A-Za-z.]*[0-9A-Za-z])\.?\s*$`)

// decodeIdentity understands user_changed_number and user_changed_user_id. What the members do not say is read out of the
// sentence.
func decodeIdentity(in *chat.Inbound, m object) error {
	system := m.object("system")
	var now who
	now.number(first(system.text("wa_id"), system.text("new_wa_id")))
	now.user(system.text("user_id"))
	now.parent(system.text("parent_user_id"))
	before := sides(m, "from")
	if system.text("type") == "user_changed_user_id" { // the phone is still the person's
		now.phones, before.phones = append(now.phones, before.phones...), nil
	}
	before.number(system.text("customer"))
	before.user(system.text("previous_user_id"))
	before.parent(system.text("previous_parent_user_id"))
	said := changedPattern.FindStringSubmatch(system.text("body"))
	if said != nil && len(now.users)+len(now.parents) == 0 && (now.empty() || system.text("wa_id") == "") {
		now.number(said[2])
	}
	if said != nil && system.text("previous_user_id") == "" {
		before.number(said[1])
	}
	return changed(in, &now, before)
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
