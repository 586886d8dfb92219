package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
)

// listFlags say what a list shall be. What is not given stays as it is, or as a new list has it.
type listFlags struct {
	Description        *string           `placeholder:"TEXT" help:"What the list is for, at most 300 characters."`
	Keyword            []string          `sep:"none" placeholder:"WORD" help:"A stop word; again for more. Those given replace all."`
	OptinKeyword       []string          `sep:"none" placeholder:"WORD" help:"A word that lifts; again for more. Those given replace all."`
	Confirmation       *string           `placeholder:"TEXT" help:"What is answered to who opts out by a message."`
	OptinMessage       *string           `placeholder:"TEXT" help:"What is answered to who opts in by a message."`
	WebhookURL         *string           `name:"webhook-url" placeholder:"URL" help:"Where each change is posted to."`
	FeedRemovals       *bool             `negatable:"" help:"Post removals too."`
	Channel            []string          `placeholder:"CHANNEL" help:"A channel on which its words count, or *; again for more. Those given replace all."`
	Scope              *string           `placeholder:"SCOPE" help:"What an opt-out by message covers: channel or all."`
	LanguageKeyword    map[string]string `mapsep:"none" placeholder:"fr=MOT" help:"A stop word of a language; words of one language are divided by commas."`
	LanguageText       map[string]string `mapsep:"none" placeholder:"fr=TEXTE" help:"The confirmation in a language."`
	LanguageOptinText  map[string]string `mapsep:"none" placeholder:"fr=TEXTE" help:"The opt-in message in a language."`
	LanguageOptinWords map[string]string `name:"language-optin-keyword" mapsep:"none" placeholder:"fr=MOT" help:"A word of a language that lifts."`
}

// body gives what was named as the API takes it.
func (f listFlags) body() map[string]any {
	body, languages := map[string]any{}, map[string]map[string]any{}
	text := func(name string, value *string) {
		if value != nil {
			body[name] = *value
		}
	}
	some := func(name string, values []string) {
		if values != nil {
			body[name] = values
		}
	}
	language := func(name string, values map[string]string, read func(string) any) {
		for code, value := range values {
			if languages[code] == nil {
				languages[code] = map[string]any{}
			}
			languages[code][name] = read(value)
		}
	}
	asText := func(s string) any { return s }
	text("description", f.Description)
	some("keywords", f.Keyword)
	some("optin_keywords", f.OptinKeyword)
	text("confirmation", f.Confirmation)
	text("optin_message", f.OptinMessage)
	text("webhook_url", f.WebhookURL)
	some("channels", f.Channel)
	text("scope", f.Scope)
	if f.FeedRemovals != nil {
		body["feed_removals"] = *f.FeedRemovals
	}
	language("keywords", f.LanguageKeyword, commas)
	language("optin_keywords", f.LanguageOptinWords, commas)
	language("confirmation", f.LanguageText, asText)
	language("optin_message", f.LanguageOptinText, asText)
	if len(languages) > 0 {
		body["languages"] = languages
	}
	return body
}

type listsCreateCommand struct {
	Name string `required:"" help:"The list's name, at most 50 characters."`
	listFlags
	gatewayFlags
	outputFlags
}

// Run makes a list and shows it.
func (c *listsCreateCommand) Run(ctx context.Context, t terminal) error {
	body := c.body()
	body["name"] = c.Name
	var list json.RawMessage
	if err := c.client().ask(ctx, http.MethodPost, "/v1/optout-lists", nil, body, &list); err != nil {
		return err
	}
	return c.printer(t).object(list)
}

type listsChangeCommand struct {
	listArgument
	Name  *string  `placeholder:"NAME" help:"The new name; the id stays."`
	Clear []string `placeholder:"FIELD" help:"Fields to empty, as keywords, webhook_url."`
	listFlags
	gatewayFlags
	outputFlags
}

// Run changes a list and shows it.
func (c *listsChangeCommand) Run(ctx context.Context, t terminal) error {
	body := map[string]any{}
	for _, field := range c.Clear {
		body[field] = nil
	}
	maps.Copy(body, c.body())
	if c.Name != nil {
		body["name"] = *c.Name
	}
	if len(body) == 0 {
		return usageError{errors.New("name what to change: optgate lists change --help shows what there is")}
	}
	var list json.RawMessage
	if err := c.client().ask(ctx, http.MethodPatch, c.path(), nil, body, &list); err != nil {
		return err
	}
	return c.printer(t).object(list)
}

type listsNearCommand struct {
	listArgument
	gatewayFlags
	outputFlags
}

// Run shows the texts that are nearly a stop word, the most frequent first.
func (c *listsNearCommand) Run(ctx context.Context, t terminal) error {
	p := c.printer(t, "count", "text", "first", "last")
	return c.client().pages(ctx, c.path()+"/near-misses", nil, p.rows)
}

type listsAdoptCommand struct {
	listArgument
	Text string `arg:"" help:"A text that lists near shows."`
	gatewayFlags
	outputFlags
}

// Run makes a text a stop word of the list, and shows the list.
func (c *listsAdoptCommand) Run(ctx context.Context, t terminal) error {
	var list json.RawMessage
	body := map[string]string{"text": c.Text}
	if err := c.client().ask(ctx, http.MethodPost, c.path()+"/near-misses/adopt", nil, body, &list); err != nil {
		return err
	}
	return c.printer(t).object(list)
}

// commas divides words by commas.
func commas(text string) any {
	words := strings.Split(text, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
}
