package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// records is what asyncapi.yaml says of the topics' records.
type records struct {
	messages map[string]documentedMessage // by name
	channels map[string]map[string]bool   // topic → names of its messages
}

// documentedMessage holds a record's headers and value against their schemas.
type documentedMessage struct{ headers, payload *jsonschema.Schema }

var asyncapi = sync.OnceValues(loadRecords)

func loadRecords() (*records, error) {
	text, err := os.ReadFile("../../gateway/bus/asyncapi.yaml")
	if err != nil {
		return nil, err
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	written, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(written))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	compiler.AssertFormat()
	if err := compiler.AddResource("asyncapi.json", document); err != nil {
		return nil, err
	}
	var named struct {
		Channels map[string]struct {
			Messages map[string]any
		}
		Components struct {
			Messages map[string]any
		}
	}
	if err := json.Unmarshal(written, &named); err != nil {
		return nil, err
	}
	r := &records{messages: map[string]documentedMessage{}, channels: map[string]map[string]bool{}}
	for name := range named.Components.Messages {
		at := "asyncapi.json#/components/messages/" + name
		headers, err := compiler.Compile(at + "/headers")
		if err != nil {
			return nil, err
		}
		payload, err := compiler.Compile(at + "/payload")
		if err != nil {
			return nil, err
		}
		r.messages[name] = documentedMessage{headers, payload}
	}
	for topic, c := range named.Channels {
		r.channels[topic] = map[string]bool{}
		for name := range c.Messages {
			if _, ok := r.messages[name]; !ok {
				return nil, fmt.Errorf("message %s of %s is nowhere", name, topic)
			}
			r.channels[topic][name] = true
		}
	}
	return r, nil
}

// messageOf names the message that a record of a topic is.
func messageOf(topic string, r kept) string {
	var value struct{ Kind string }
	_ = json.Unmarshal(r.Value, &value) // dead letters may be anything
	switch topic {
	case "commands":
		return "command." + value.Kind
	case "state":
		family, _, _ := strings.Cut(r.Key, "/")
		return "state." + family
	case "consent":
		if r.Key == "claim" {
			return "consent.claim"
		}
		return "consent.row"
	case "events":
		return "event." + value.Kind
	case "outbound.replies", "outbound.bulk":
		return "outbound"
	case "intents.replies", "intents.bulk":
		return "intent"
	case "outcomes":
		if value.Kind == "archive" {
			return "outcome.archive"
		}
		return "outcome"
	}
	return topic
}

// check says what about a record is not documented, and which message it is.
func (d *records) check(topic string, r kept) (name string, err error) {
	name = messageOf(topic, r)
	if !d.channels[topic][name] {
		return name, fmt.Errorf("no message %s is documented", name)
	}
	message := d.messages[name]
	headers := map[string]any{}
	for header, value := range r.Headers {
		headers[header] = value
	}
	if err := message.headers.Validate(headers); err != nil {
		return name, fmt.Errorf("headers of %s: %w", name, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.Value))
	if err != nil {
		return name, fmt.Errorf("value of %s: %w", name, err)
	}
	if err := message.payload.Validate(value); err != nil {
		return name, fmt.Errorf("value of %s: %w", name, err)
	}
	return name, nil
}

// documentedRecord fails the test where a record is not as asyncapi.yaml says.
func (w *world) documentedRecord(topic string, r kept) string {
	w.t.Helper()
	document, err := asyncapi()
	if err != nil {
		w.t.Fatal(err)
	}
	name, err := document.check(topic, r)
	if err != nil {
		w.t.Errorf("%s holds what asyncapi.yaml does not say: %v\n%.1500s", topic, err, r.Value)
	}
	return name
}

// TestWhatIsNotDocumentedIsFound: a check that can't fail proves nothing.
func TestWhatIsNotDocumentedIsFound(t *testing.T) {
	document, err := asyncapi()
	if err != nil {
		t.Fatal(err)
	}
	outcome := map[string]string{
		"ce_specversion": "1.0", "ce_type": "optgate.outcome.v1", "ce_source": "/accounts/acme", "ce_id": "m.1/Sent",
		"ce_time": "2026-11-22T10:00:00.000Z", "content-type": "application/json",
	}
	const fact = `{"v":1,"id":"m.1","account":"acme","row":0,"status":"Sent","at":1}`
	f := func(name, topic, key, value string, headers map[string]string, documented bool) {
		t.Helper()
		_, err := document.check(topic, kept{Key: key, Value: json.RawMessage(value), Headers: headers})
		if (err == nil) != documented {
			t.Errorf("%s: %v", name, err)
		}
	}
	f("a fact", "outcomes", "b", fact, outcome, true)
	f("no headers", "outcomes", "b", fact, nil, false)
	f("a member too many", "outcomes", "b", strings.Replace(fact, `"row"`, `"line":1,"row"`, 1), outcome, false)
	f("a newer version", "outcomes", "b", strings.Replace(fact, `"v":1`, `"v":2`, 1), outcome, false)
	f("a command", "commands", "1", `{"v":1,"id":"1","kind":"list.delete","account":"acme","made":1,"body":{"list":"x","name":"X"}}`, nil, true)
	f("a body of another kind", "commands", "1", `{"v":1,"id":"1","kind":"list.delete","account":"acme","made":1,"body":{"who":[]}}`, nil, false)
	f("a kind that nobody knows", "commands", "1", `{"v":1,"id":"1","kind":"list.burn","made":1,"body":{}}`, nil, false)
	f("a state", "state", "near/acme/x", `{"v":1,"texts":[]}`, nil, true)
	f("a tombstone", "state", "near/acme/x", `null`, nil, true)
	f("a family that nobody knows", "state", "far/acme", `{"v":1}`, nil, false)
}
