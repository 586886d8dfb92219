package fake

import (
	"encoding/json"
	"fmt"
	"maps"
	"unicode/utf16"
)

// Number is where a webhook comes in: a WhatsApp number, a page or an Instagram account.
type Number struct {
	Platform string // whatsapp, messenger, instagram; "": whatsapp
	ID       string // phone_number_id, page id or account id
	WABA     string
	Display  string // digits of the phone
}

// Person is who writes. A person of WhatsApp shows a phone, a BSUID or both; one of Messenger or Instagram has an ID.
type Person struct {
	Name, Phone, BSUID, Parent, ID string
}

// Event is one item of a webhook, and what the generator knows of it.
type Event struct {
	Kind    string // what it is: text, button, receipt …
	To      Number
	Field   string
	Array   string         // of the value; "": Item is the value
	Standby bool           // the array stands within value.standby
	Contact map[string]any // nil: none
	Item    any
	From    Person
	ID      string // of the message
	Words   string // that were typed or pressed
	Stops   bool   // Words opt the person out of the Default list
}

// Body writes events of one platform as Meta does: neighbours of one number and field share a change, neighbours of one account an entry;
// what is not ASCII is escaped, and so is the slash.
func Body(events ...Event) []byte {
	object, entries := "", []map[string]any{}
	for i := 0; i < len(events); {
		n := 1
		for i+n < len(events) && together(events[i], events[i+n]) {
			n++
		}
		object = objects[events[i].To.Platform]
		e := entry(events[i : i+n])
		if last := len(entries) - 1; last >= 0 && e["changes"] != nil && entries[last]["changes"] != nil && entries[last]["id"] == e["id"] {
			entries[last]["changes"] = append(entries[last]["changes"].([]any), e["changes"].([]any)...)
		} else {
			entries = append(entries, e)
		}
		i += n
	}
	raw, err := json.Marshal(map[string]any{"object": object, "entry": entries})
	if err != nil { // events hold nothing that could not be written
		panic(err)
	}
	return escape(raw)
}

var objects = map[string]string{
	"": "whatsapp_business_account", "whatsapp": "whatsapp_business_account", "messenger": "page", "instagram": "instagram",
}

func together(a, b Event) bool {
	return a.To == b.To && a.Field == b.Field && a.Array != "" && b.Array != "" && a.Standby == b.Standby
}

func entry(events []Event) map[string]any {
	first := events[0]
	var items, contacts []any
	for _, e := range events {
		items = append(items, e.Item)
		if e.Contact != nil {
			contacts = append(contacts, e.Contact)
		}
	}
	if objects[first.To.Platform] != objects["whatsapp"] {
		return map[string]any{"id": first.To.ID, first.Field: items}
	}
	value := first.Item
	if first.Array != "" {
		arrays := map[string]any{}
		for i, e := range events {
			list, _ := arrays[e.Array].([]any)
			arrays[e.Array] = append(list, items[i])
		}
		within := map[string]any{"messaging_product": "whatsapp", "metadata": map[string]any{
			"display_phone_number": first.To.Display, "phone_number_id": first.To.ID}}
		if len(contacts) > 0 {
			within["contacts"] = contacts
		}
		if first.Standby {
			within["standby"] = arrays
		} else {
			maps.Copy(within, arrays)
		}
		value = within
	}
	return map[string]any{"id": first.To.WABA, "changes": []any{map[string]any{"field": first.Field, "value": value}}}
}

// escape writes JSON in ASCII. Outside of strings JSON has nothing else.
func escape(raw []byte) []byte {
	text := make([]byte, 0, len(raw)+len(raw)/8)
	for _, r := range string(raw) {
		switch {
		case r == '/':
			text = append(text, `\/`...)
		case r < 0x80:
			text = append(text, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			text = fmt.Appendf(text, `\u%04x\u%04x`, high, low)
		default:
			text = fmt.Appendf(text, `\u%04x`, r)
		}
	}
	return text
}
