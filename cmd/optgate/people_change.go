package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// consentFlags say what a change is about.
type consentFlags struct {
	identifierArgument
	List    []string `required:"" placeholder:"LIST" help:"The list's id; several with commas."`
	Channel string   `required:"" placeholder:"CHANNEL" help:"A channel's id, or * for all."`
	gatewayFlags
	outputFlags
}

type peopleOptoutCommand struct {
	consentFlags
}

// Run puts somebody on lists.
func (c *peopleOptoutCommand) Run(ctx context.Context, t terminal) error {
	return c.change(ctx, t, http.MethodPost, map[string]any{"lists": c.List, "channel": c.Channel})
}

type peopleOptinCommand struct {
	consentFlags
	Aliases bool `help:"Take every linked number and id off the lists too."`
}

// Run takes somebody off lists.
func (c *peopleOptinCommand) Run(ctx context.Context, t terminal) error {
	return c.change(ctx, t, http.MethodDelete, map[string]any{"lists": c.List, "channel": c.Channel, "aliases": c.Aliases})
}

// consentChanged is an answer of /v1/people/{identifier}/optouts.
type consentChanged struct {
	someone
	Status  string        `json:"status"` // accepted, where it is not decided yet
	Lists   []listChanged `json:"lists"`
	Aliases []struct {
		someone
		Lists []listChanged `json:"lists"`
	} `json:"aliases"`
	Linked []struct {
		someone
		Optouts []standing `json:"optouts"`
	} `json:"linked"`
}

type listChanged struct {
	Name      string     `json:"name"`
	Changed   bool       `json:"changed"`
	Entries   []standing `json:"entries"`
	Remaining []standing `json:"remaining"`
}

// change asks for a change and tells what became of it.
func (f consentFlags) change(ctx context.Context, t terminal, method string, body any) error {
	var answer json.RawMessage
	if err := f.client().ask(ctx, method, f.path()+"/optouts", f.query(), body, &answer); err != nil {
		return err
	}
	if f.Output == "json" {
		return f.printer(t).object(answer)
	}
	var said consentChanged
	if err := json.Unmarshal(answer, &said); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if said.Status != "" {
		t.printf("It is kept, and will be decided in a moment.\n")
		return nil
	}
	tellLists(t, said.someone, said.Lists)
	for _, alias := range said.Aliases {
		tellLists(t, alias.someone, alias.Lists)
	}
	for _, other := range said.Linked {
		if names := stillOut(other.Optouts); method == http.MethodDelete && names != "" {
			t.printf("%s is linked and stays opted out: %s.\n", other.someone, names)
		}
	}
	return nil
}

// tellLists says what became of each list.
func tellLists(t terminal, who someone, lists []listChanged) {
	for _, l := range lists {
		unchanged := "as before"
		if l.Changed {
			unchanged = "changed"
		}
		for _, e := range l.Entries {
			state := "opted in"
			if e.Out {
				state = "opted out"
			}
			t.printf("%s, list %s, %s: %s (%s).\n", who, plain(l.Name), channelWords(e.Channel), state, unchanged)
		}
		if names := stillOut(l.Remaining); names != "" {
			t.printf("%s stays opted out: %s.\n", who, names)
		}
	}
}

// stillOut names entries that are in force.
func stillOut(all []standing) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = plain(s.Name) + " for " + channelWords(s.Channel)
	}
	return strings.Join(names, ", ")
}
