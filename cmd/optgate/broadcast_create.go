package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
)

type broadcastCreateCommand struct {
	Channel  string   `required:"" placeholder:"ID" help:"The channel that sends."`
	Category string   `required:"" enum:"marketing,utility,authentication,service" help:"marketing, utility, authentication or service."`
	List     []string `required:"" placeholder:"ID" help:"Opt-out lists to check against; several with commas, or the flag several times."`

	Message  string   `xor:"message" required:"" placeholder:"JSON" help:"The message as the Cloud API has it, or @FILE with it."`
	Text     string   `xor:"message" required:"" placeholder:"TEXT" help:"A message that is a text; {{name}} stands for the recipient's parameter."`
	Template string   `xor:"message" required:"" placeholder:"NAME:LANGUAGE" help:"A message that is a template."`
	Param    []string `sep:"none" placeholder:"TEXT" help:"What the template's body has for {{1}}, {{2}} and so on, as '{{name}}'."`

	Audience string   `xor:"whom" required:"" placeholder:"FILE" help:"Recipients: a .csv file whose first line names the columns, or .ndjson."`
	Upload   string   `xor:"whom" required:"" placeholder:"ID" help:"Recipients: an audience that was uploaded before."`
	Segment  string   `xor:"whom" required:"" placeholder:"ID" help:"Recipients: a segment."`
	To       []string `xor:"whom" required:"" placeholder:"NUMBER" help:"Recipients, one by one."`

	Start   string  `placeholder:"TIME" help:"When to begin, as 2026-11-22T10:00:00Z; at once by default."`
	End     string  `placeholder:"TIME" help:"When what isn't sent expires; 24 hours after the start by default."`
	Quiet   string  `placeholder:"21:00-08:00" help:"Hours in which nothing is sent, by each recipient's clock, or by that of a zone: 21:00-08:00@Europe/London."`
	Rate    float64 `placeholder:"N" help:"At most so many messages a second."`
	Webhook string  `placeholder:"URL" help:"Where to tell of its status."`
	Key     string  `placeholder:"KEY" help:"An Idempotency-Key: the same one again makes no second broadcast."`
	DryRun  bool    `help:"Only say what would happen."`
	Watch   bool    `help:"Follow the broadcast until it ends."`
	gatewayFlags
	outputFlags
}

// Run uploads the recipients where they are a file, and makes the broadcast, or says what it would do.
func (c *broadcastCreateCommand) Run(ctx context.Context, t terminal) error {
	request, err := c.request()
	if err != nil {
		return usageError{err}
	}
	if c.Audience != "" {
		id, err := c.upload(ctx, t)
		if err != nil {
			return err
		}
		request["audience"] = map[string]string{"upload": id}
	}
	if c.DryRun {
		return c.rehearse(ctx, t, request)
	}
	made, err := c.make(ctx, request)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		err = c.printer(t).object(made)
	} else {
		var b sentBroadcast
		if err = json.Unmarshal(made, &b); err == nil {
			t.printf("%s\n", b)
		}
	}
	if err != nil || !c.Watch {
		return err
	}
	var b sentBroadcast
	if err := json.Unmarshal(made, &b); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	watch := broadcastWatchCommand{broadcastArgument: broadcastArgument{b.ID}, gatewayFlags: c.gatewayFlags, outputFlags: c.outputFlags}
	return watch.Run(ctx, t)
}

// make posts a broadcast.
func (c *broadcastCreateCommand) make(ctx context.Context, request map[string]any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	post, err := c.client().request(ctx, http.MethodPost, "/v1/broadcasts", nil, request)
	if err != nil {
		return nil, err
	}
	key := c.Key
	if key == "" {
		key = "optgate-broadcast-create-" + rand.Text()
	}
	post.Header.Set("Idempotency-Key", key)
	return c.client().read(post)
}

// request writes what is asked for, but for a file of recipients.
func (c *broadcastCreateCommand) request() (map[string]any, error) {
	message, err := c.message()
	if err != nil {
		return nil, err
	}
	r := map[string]any{"channel": c.Channel, "category": c.Category, "lists": c.List, "message": message}
	for name, text := range map[string]string{"starts_at": c.Start, "ends_at": c.End, "webhook_url": c.Webhook} {
		if text != "" {
			r[name] = text
		}
	}
	if c.Rate != 0 {
		r["messages_per_second"] = c.Rate
	}
	if c.Quiet != "" {
		hours, zone, _ := strings.Cut(c.Quiet, "@")
		from, to, ok := strings.Cut(hours, "-")
		if !ok {
			return nil, fmt.Errorf("--quiet: %q is not as 21:00-08:00", c.Quiet)
		}
		r["quiet_hours"] = map[string]string{"from": strings.TrimSpace(from), "to": strings.TrimSpace(to), "zone": zone}
	}
	switch {
	case c.Upload != "":
		r["audience"] = map[string]string{"upload": c.Upload}
	case c.Segment != "":
		r["audience"] = map[string]string{"segment": c.Segment}
	case len(c.To) > 0:
		var people []map[string]string
		for _, to := range c.To {
			people = append(people, map[string]string{"to": to})
		}
		r["recipients"] = people
	}
	return r, nil
}

func (c *broadcastCreateCommand) message() (any, error) {
	if len(c.Param) > 0 && c.Template == "" {
		return nil, errors.New("--param: what a template's body has; give --template")
	}
	switch {
	case c.Text != "":
		return map[string]any{"type": "text", "text": map[string]string{"body": c.Text}}, nil
	case c.Template != "":
		return c.template()
	}
	written := []byte(c.Message)
	if file, ok := strings.CutPrefix(c.Message, "@"); ok {
		var err error
		if written, err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	if !json.Valid(written) {
		return nil, errors.New("--message: is no JSON")
	}
	return json.RawMessage(written), nil
}

func (c *broadcastCreateCommand) template() (any, error) {
	name, language, ok := strings.Cut(c.Template, ":")
	if !ok || name == "" || language == "" {
		return nil, fmt.Errorf("--template: %q is not as offer:en", c.Template)
	}
	t := map[string]any{"name": name, "language": map[string]string{"code": language}}
	if len(c.Param) > 0 {
		var parameters []map[string]string
		for _, text := range c.Param {
			parameters = append(parameters, map[string]string{"type": "text", "text": text})
		}
		t["components"] = []any{map[string]any{"type": "body", "parameters": parameters}}
	}
	return map[string]any{"type": "template", "template": t}, nil
}

// upload sends the file of recipients and gives the id of the audience that it makes: the same one where the same file was sent
// before and is still kept.
func (c *broadcastCreateCommand) upload(ctx context.Context, t terminal) (id string, err error) {
	file, err := os.Open(c.Audience)
	if err != nil {
		return "", usageError{err}
	}
	defer file.Close() //nolint:errcheck // it was read
	u := upload{
		client: c.client(), file: file, path: "/v1/audiences", kind: "text/csv", query: url.Values{"channel": {c.Channel}}, say: t.err,
	}
	if lower := strings.ToLower(c.Audience); strings.HasSuffix(lower, ".ndjson") || strings.HasSuffix(lower, ".jsonl") {
		u.kind = "application/x-ndjson"
	}
	if err := u.digest("optgate-audience-", false); err != nil {
		return "", err
	}
	u.file = watched(file, u.size, t)
	answer, err := u.send(ctx, t)
	if err != nil {
		return "", err
	}
	var made struct {
		ID      string            `json:"id"`
		Refused int               `json:"refused"`
		Lines   []json.RawMessage `json:"refused_lines"`
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	told := terminal{out: t.err, err: t.err}
	if err := (outputFlags{Output: c.Output}).printer(told).object(without(answer, "refused_lines")); err != nil {
		return "", err
	}
	if made.Refused > 0 {
		_, _ = fmt.Fprintf(t.err, "\nlines that can't be read as a row, the first of %d:\n", made.Refused)
		return made.ID, (outputFlags{Output: c.Output}).printer(told, "line", "reason").rows(made.Lines)
	}
	return made.ID, nil
}
