package meta

// names are the members that come all the time. Their names are not made anew for each object: in a batch of a hundred
// messages that is half of all allocations (BenchmarkSplit).
var names = func() map[string]string {
	all := map[string]string{}
	for _, list := range [...][]string{
		shownNames[:],
		{"object", "entry", "id", "time", "changes", "value", "field", "messaging", "standby"},
		{"messaging_product", "metadata", "display_phone_number", "phone_number_id", "contacts", "profile", "name"},
		{"messages", "statuses", "user_preferences", "errors", "type", "timestamp", "text", "body", "context", "button", "payload"},
		{"interactive", "button_reply", "list_reply", "title", "image", "mime_type", "sha256", "caption"},
		{"status", "conversation", "origin", "expiration_timestamp", "pricing", "billable", "pricing_model", "category", "code"},
		{"biz_opaque_callback_data", "detail", "message", "mid", "sender", "recipient", "is_echo"},
	} {
		for _, name := range list {
			all[name] = name
		}
	}
	return all
}()

// nameOf gives the text of a member's name.
func nameOf(quoted []byte) string {
	if name, known := names[string(quoted[1:len(quoted)-1])]; known {
		return name
	}
	return unquote(quoted)
}
