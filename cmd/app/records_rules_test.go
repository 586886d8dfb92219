package app

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestEveryCommandIsDocumented: asyncapi.yaml has each kind of command that an owner folds, and no other.
func TestEveryCommandIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../gateway/bus/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Channels map[string]struct{ Messages map[string]any }
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	documented := document.Channels["commands"].Messages
	rules := allRules()
	for kind := range rules {
		if _, ok := documented["command."+kind]; !ok {
			t.Errorf("asyncapi.yaml lacks the command %s", kind)
		}
	}
	for name := range documented {
		if _, ok := rules[strings.TrimPrefix(name, "command.")]; !ok {
			t.Errorf("nobody folds %s, which asyncapi.yaml has", name)
		}
	}
}
