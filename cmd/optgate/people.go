package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"
)

type peopleCommand struct {
	Show   peopleShowCommand   `cmd:"" help:"Show what is known of somebody: all numbers and ids, and every list they are on."`
	Optout peopleOptoutCommand `cmd:"" help:"Put somebody on lists."`
	Optin  peopleOptinCommand  `cmd:"" help:"Take somebody off lists."`
}

// identifierArgument names somebody.
type identifierArgument struct {
	Identifier string `arg:"" help:"A phone number in any usual writing, a BSUID, an e-mail, psid:PAGE/ID or igsid:ACCOUNT/ID."`
	Country    string `placeholder:"GB" help:"The country that a phone without its country code is read with."`
}

func (a identifierArgument) path() string { return "/v1/people/" + url.PathEscape(a.Identifier) }

func (a identifierArgument) query() url.Values {
	query := url.Values{}
	if a.Country != "" {
		query.Set("country", a.Country)
	}
	return query
}

// someone is an identifier as the API shows it.
type someone struct {
	Kind  string  `json:"kind"`
	To    *string `json:"to"`
	Email *string `json:"email"`
}

func (s someone) String() string {
	switch {
	case s.To != nil:
		return plain(*s.To)
	case s.Email != nil:
		return plain(*s.Email)
	}
	return "(known by a link only)"
}

// standing is an entry as the API shows it.
type standing struct {
	List    string     `json:"list"`
	Name    string     `json:"name"`
	Channel string     `json:"channel"`
	Out     bool       `json:"opted_out"`
	Since   *time.Time `json:"since"`
	Source  string     `json:"source"`
	Rule    string     `json:"rule"`
	Reason  string     `json:"reason"`
}

func (s standing) row(who string) []string {
	state := "opted in"
	if s.Out {
		state = "opted out"
	}
	since := "-"
	if s.Since != nil {
		since = when(*s.Since)
	}
	return []string{who, plain(s.Name), channelWords(s.Channel), state, since, cause(s.Source, s.Rule)}
}

type peopleShowCommand struct {
	identifierArgument
	gatewayFlags
	outputFlags
}

// Run shows a person: every entry of every alias, and how the aliases are linked.
func (c *peopleShowCommand) Run(ctx context.Context, t terminal) error {
	var answer json.RawMessage
	if err := c.client().ask(ctx, http.MethodGet, c.path(), c.query(), nil, &answer); err != nil {
		return err
	}
	if c.Output == "json" {
		return c.printer(t).object(answer)
	}
	var p struct {
		someone
		Known     bool `json:"known"`
		Truncated bool `json:"truncated"`
		Blocks    []struct {
			someone
			Channel string    `json:"channel"`
			Since   time.Time `json:"since"`
			Note    string    `json:"note"`
		} `json:"blocks"`
		Aliases []struct {
			someone
			Links []struct {
				someone
				Since time.Time `json:"since"`
				By    string    `json:"by"`
			} `json:"links"`
			Lists []standing `json:"lists"`
		} `json:"aliases"`
	}
	if err := json.Unmarshal(answer, &p); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if !p.Known {
		t.printf("Nothing is known of %s.\n", p.someone)
		return nil
	}
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	writeRow(table, []string{"WHO", "LIST", "CHANNEL", "STANDS", "SINCE", "OPTED OUT BY"})
	for _, alias := range p.Aliases {
		if len(alias.Lists) == 0 {
			writeRow(table, []string{alias.String(), "-", "-", "-", "-", "-"})
		}
		for _, s := range alias.Lists {
			writeRow(table, s.row(alias.String()))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, b := range p.Blocks {
		t.printf("%s is on the blacklist, %s, since %s. %s\n", b.someone, channelWords(b.Channel), when(b.Since), plain(b.Note))
	}
	for _, alias := range p.Aliases {
		for _, l := range alias.Links {
			t.printf("%s is linked to %s since %s, by %s.\n", alias, l.someone, when(l.Since), plain(l.By))
		}
	}
	if p.Truncated {
		t.printf("There are more numbers and ids of this person than are shown.\n")
	}
	return nil
}
