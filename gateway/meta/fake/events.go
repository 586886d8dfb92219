package fake

import (
	"encoding/hex"
	"hash/fnv"
	"maps"
	"strconv"
	"time"
)

// put sets a member unless it is empty, as Meta leaves out what it does not show.
func put(o map[string]any, name, text string) {
	if text != "" {
		o[name] = text
	}
}

// Text makes a text message. Each message's id follows from who said what when, so that an event made twice is the same.
func Text(n Number, from Person, words string, at time.Time) Event {
	return said("text", n, from, words, at, map[string]any{"type": "text", "text": map[string]any{"body": words}})
}

// Button makes a press of a template's button.
func Button(n Number, from Person, words string, at time.Time) Event {
	return said("button", n, from, words, at, map[string]any{"type": "button", "button": map[string]any{"text": words, "payload": words}})
}

// ButtonReply makes a press of an interactive message's button.
func ButtonReply(n Number, from Person, words string, at time.Time) Event {
	return said("reply", n, from, words, at, map[string]any{"type": "interactive", "interactive": map[string]any{
		"type": "button_reply", "button_reply": map[string]any{"id": "b1", "title": words}}})
}

// ListReply makes a choice out of an interactive list.
func ListReply(n Number, from Person, words string, at time.Time) Event {
	return said("list", n, from, words, at, map[string]any{"type": "interactive", "interactive": map[string]any{
		"type": "list_reply", "list_reply": map[string]any{"id": "r1", "title": words, "description": "a row"}}})
}

// Caption makes an image with words below it.
func Caption(n Number, from Person, words string, at time.Time) Event {
	return said("caption", n, from, words, at, map[string]any{"type": "image", "image": map[string]any{
		"mime_type": "image/jpeg", "sha256": "AA==", "id": "880000000000001", "caption": words}})
}

// Edit makes an edited message: its words are the new ones.
func Edit(n Number, from Person, words string, at time.Time) Event {
	return said("edit", n, from, words, at, map[string]any{"type": "edit", "edit": map[string]any{
		"original_message_id": "wamid.original", "message": map[string]any{"type": "text", "text": map[string]any{"body": words}}}})
}

// Group makes a message in a group, which never acts.
func Group(n Number, from Person, words string, at time.Time) Event {
	return said("group", n, from, words, at, map[string]any{"type": "text", "text": map[string]any{"body": words}, "group_id": "Y2FwaV9ncm91cDpmYWtl"})
}

// Forwarded makes a message that its sender got from somebody else.
func Forwarded(n Number, from Person, words string, at time.Time) Event {
	return said("forwarded", n, from, words, at, map[string]any{"type": "text", "text": map[string]any{"body": words}, "context": map[string]any{"forwarded": true}})
}

// Reaction makes a reaction by emoji.
func Reaction(n Number, from Person, emoji string, at time.Time) Event {
	return said("reaction", n, from, emoji, at, map[string]any{"type": "reaction", "reaction": map[string]any{"message_id": "wamid.original", "emoji": emoji}})
}

// Standby moves a message to where it comes in while Meta's agent owns the thread.
func Standby(e Event) Event {
	e.Kind, e.Field, e.Standby = "standby", "standby", true
	return e
}

// History makes an old conversation, handed over when a number joins; nothing in it acts.
func History(n Number, messages ...Event) Event {
	var threads []any
	for _, m := range messages {
		threads = append(threads, map[string]any{"id": m.From.Phone, "messages": []any{m.Item}})
	}
	return Event{Kind: "history", To: n, Field: "history", Array: "history", Item: map[string]any{
		"metadata": map[string]any{"phase": 0, "chunk_order": 1, "progress": 100}, "threads": threads}}
}

// Echo makes what the business itself wrote from its phone.
func Echo(n Number, to Person, words string, at time.Time) Event {
	e := said("echo", n, to, words, at, map[string]any{"type": "text", "text": map[string]any{"body": words}})
	item := e.Item.(map[string]any)
	delete(item, "from_user_id")
	delete(item, "from_parent_user_id")
	item["from"] = n.Display
	put(item, "to", to.Phone)
	put(item, "to_user_id", to.BSUID)
	e.Field, e.Array, e.Contact = "smb_message_echoes", "message_echoes", nil
	return e
}

// Preference makes a turn of Meta's own switch for marketing.
func Preference(n Number, from Person, stop bool, at time.Time) Event {
	value := map[bool]string{true: "stop", false: "resume"}[stop]
	item := map[string]any{"detail": "User requested to " + value + " marketing messages", "category": "marketing_messages", "value": value, "timestamp": at.Unix()}
	put(item, "wa_id", from.Phone)
	put(item, "user_id", from.BSUID)
	put(item, "parent_user_id", from.Parent)
	return Event{Kind: "preference", To: n, Field: "user_preferences", Array: "user_preferences", Contact: contact(from), Item: item, From: from}
}

// Moved makes a change of number: one person, old and new.
func Moved(n Number, from, to Person, at time.Time) Event {
	system := map[string]any{"type": "user_changed_number", "body": "User Ada Example changed from " + from.Phone + " to " + to.Phone}
	put(system, "wa_id", to.Phone)
	put(system, "user_id", to.BSUID)
	put(system, "previous_user_id", from.BSUID)
	e := said("moved", n, from, to.Phone, at, map[string]any{"type": "system", "system": system})
	e.Words, e.Contact = "", nil
	return e
}

// Odd makes an item that nobody can understand, given as JSON; it stands among messages.
func Odd(n Number, item any) Event {
	return Event{Kind: "garbage", To: n, Field: "messages", Array: "messages", Item: item}
}

// Management makes a change that holds no items.
func Management(n Number, field string, value map[string]any) Event {
	return Event{Kind: "management", To: n, Field: field, Item: value}
}

// Direct makes a text to a page or an Instagram account.
func Direct(n Number, from Person, words string, at time.Time) Event {
	id := "m_" + messageID(n, from, words, at)
	return Event{Kind: n.Platform, To: n, Field: "messaging", Array: "messaging", From: from, ID: id, Words: words, Item: map[string]any{
		"sender": map[string]any{"id": from.ID}, "recipient": map[string]any{"id": n.ID}, "timestamp": at.UnixMilli(),
		"message": map[string]any{"mid": id, "text": words}}}
}

func said(kind string, n Number, from Person, words string, at time.Time, content map[string]any) Event {
	id := "wamid." + messageID(n, from, kind+words, at)
	item := map[string]any{"id": id, "timestamp": strconv.FormatInt(at.Unix(), 10)}
	put(item, "from", from.Phone)
	put(item, "from_user_id", from.BSUID)
	put(item, "from_parent_user_id", from.Parent)
	maps.Copy(item, content)
	return Event{Kind: kind, To: n, Field: "messages", Array: "messages", Contact: contact(from), Item: item, From: from, ID: id, Words: words}
}

func contact(p Person) map[string]any {
	name := p.Name
	if name == "" {
		name = "Ada Example"
	}
	c := map[string]any{"profile": map[string]any{"name": name}}
	put(c, "wa_id", p.Phone)
	put(c, "user_id", p.BSUID)
	put(c, "parent_user_id", p.Parent)
	return c
}

func messageID(n Number, from Person, what string, at time.Time) string {
	h := fnv.New128a()
	h.Write([]byte(n.ID + "\x00" + from.Phone + "\x00" + from.BSUID + from.ID + "\x00" + what + "\x00" + at.Format(time.RFC3339Nano)))
	return hex.EncodeToString(h.Sum(nil))
}
