package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

type whyCommand struct {
	Number   string   `arg:"" help:"A phone number in any usual writing, a BSUID, an e-mail, psid:PAGE/ID or igsid:ACCOUNT/ID."`
	Channel  string   `placeholder:"CHANNEL" help:"The channel that would send; an e-mail needs none."`
	Category string   `default:"marketing" placeholder:"CATEGORY" help:"marketing, utility, authentication or service."`
	Lists    []string `placeholder:"LIST" help:"Opt-out lists that the sender would choose."`
	gatewayFlags
	outputFlags
}

// Run prints what would happen to a message now, and what led there.
func (c *whyCommand) Run(ctx context.Context, t terminal) error {
	query := url.Values{"to": {c.Number}, "category": {c.Category}}
	if strings.Contains(c.Number, "@") {
		query = url.Values{"email": {c.Number}, "category": {c.Category}}
	}
	if c.Channel != "" {
		query.Set("channel", c.Channel)
	}
	if len(c.Lists) > 0 {
		query.Set("lists", strings.Join(c.Lists, ","))
	}
	var answer json.RawMessage
	if err := c.client().ask(ctx, http.MethodGet, "/v1/why", query, nil, &answer); err != nil {
		return err
	}
	if c.Output == "json" {
		return c.printer(t).object(answer)
	}
	var why optout.Explanation
	if err := json.Unmarshal(answer, &why); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return c.explain(t, why)
}

// explain tells it in sentences, and the ledger below, the newest first.
func (c *whyCommand) explain(t terminal, why optout.Explanation) error {
	verdict := "would be sent"
	if !why.Allowed {
		verdict = "would be skipped: " + plain(why.Error)
	}
	t.printf("A %s message to %s %s.\n", plain(c.Category), plain(c.Number), verdict)
	if !why.Allowed {
		t.printf("%s\n", plain(why.Reason))
	}
	if why.Link != nil {
		t.printf("It came from %s.\n", someone{To: why.Link.To, Email: why.Link.Email})
	}
	if len(why.History) == 0 {
		t.printf("The ledger holds nothing about it.\n")
		return nil
	}
	t.printf("\nWhat the ledger says, the newest first:\n")
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, step := range why.History {
		because := cause(step.Source, step.Rule)
		if step.Linked {
			because += ", from another of the person's numbers or ids"
		}
		writeRow(table, []string{"", when(step.At), plain(step.List), channelWords(step.Channel),
			plain(step.From) + " → " + plain(step.To), because})
	}
	return table.Flush()
}

func channelWords(channel string) string {
	if channel == chat.AnyChannel {
		return "all channels"
	}
	return "channel " + plain(channel)
}

func cause(source, rule string) string {
	if rule == "" {
		return plain(source)
	}
	return fmt.Sprintf("%s %q", plain(source), plain(rule))
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
