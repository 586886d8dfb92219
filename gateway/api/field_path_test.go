package api_test

import "testing"

// A field of a wrong type is named as the request has it, however the structs that it is read into are nested.
func TestAFieldOfAWrongTypeIsNamedAsInTheRequest(t *testing.T) {
	w := newWorld(t, nil)
	for _, one := range []struct{ path, body, field string }{
		{"/v1/contacts", `{"to":"+447700900001","tags":"x"}`, "tags"},
		{"/v1/contacts", `{"contacts":[{"to":"+447700900001"},{"to":1}]}`, "contacts.to"},
		{"/v1/contacts", `{"contacts":[{"to":"+447700900001","attributes":{"a":{}}}]}`, "contacts.attributes"},
		{"/v1/blacklist", `{"to":"+447700900001","channel":7}`, "channel"},
		{"/v1/blacklist", `{"note":{}}`, "note"},
	} {
		var said struct {
			Errors []struct{ Field, Code string }
		}
		w.call(t, "acme-admin", "POST", one.path, one.body).is(422, "invalid_field").into(&said)
		if len(said.Errors) != 1 || said.Errors[0].Field != one.field || said.Errors[0].Code != "wrong_type" {
			t.Errorf("%s %s: %+v, not %s", one.path, one.body, said.Errors, one.field)
		}
	}
}
