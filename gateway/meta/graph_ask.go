package meta

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"optgate/pipeline/fault"
	"optgate/pipeline/outbound"
)

// question is a call to Graph that sends no message: one that may be asked again.
type question struct {
	method   string
	path     []string // of the URL, after the version; each is escaped
	query    url.Values
	token    string
	kind     string    // Content-Type of the body; "": none
	body     io.Reader // nil: none
	length   int64     // of the body, in bytes; -1: nobody knows
	maxBytes int64     // of the answer
}

// ask gives Graph's answer, valid JSON. What Graph says no to is an outbound.Refusal; where it can't be asked, or doesn't say,
// the error is a fault.Unavailable. None of them holds a URL, a number or a token.
func (g *Graph) ask(ctx context.Context, q question) (object, error) {
	parts := []string{g.base}
	for _, part := range q.path {
		parts = append(parts, url.PathEscape(part))
	}
	at := strings.Join(parts, "/")
	if len(q.query) > 0 {
		at += "?" + q.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, q.method, at, q.body)
	if err != nil {
		return nil, &outbound.Refusal{Title: "graph_url is no URL", Advice: outbound.Halt}
	}
	if q.body != nil {
		request.ContentLength = q.length
	}
	request.Header.Set("Authorization", "Bearer "+q.token)
	request.Header.Set("User-Agent", "optgate")
	if q.kind != "" {
		request.Header.Set("Content-Type", q.kind)
	}
	response, err := g.transport.RoundTrip(request)
	if err != nil {
		return nil, graphAway(clean(err))
	}
	defer response.Body.Close() //nolint:errcheck // it was read as far as it matters
	raw, err := io.ReadAll(io.LimitReader(response.Body, q.maxBytes+1))
	switch {
	case err != nil:
		return nil, graphAway(clean(err))
	case int64(len(raw)) > q.maxBytes:
		return nil, graphAway(fmt.Errorf("graph's answer is over %d bytes", q.maxBytes))
	}
	var said object
	if valid(raw) {
		said = members(raw)
	}
	if response.StatusCode < 300 && said != nil && said.object("error") == nil {
		return said, nil
	}
	return nil, refusal(response.StatusCode, said.object("error"))
}

// refusal gives the error that an answer stands for which is no success.
func refusal(status int, said object) error {
	code, err := strconv.Atoi(said.text("code"))
	coded := said != nil && err == nil
	title := first(scrub(said.text("message")), http.StatusText(status))
	advice, ok := advise(status, code, coded)
	if !ok || status < 300 {
		return graphAway(fmt.Errorf("graph answers HTTP %d, code %d %s", status, code, title))
	}
	return &outbound.Refusal{HTTP: status, Code: code, Title: title, Advice: advice}
}

func graphAway(err error) error {
	return fault.Wrap(err, fault.Unavailable, "graph_away", "Meta can't be asked just now. Try again.")
}
