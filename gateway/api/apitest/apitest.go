// Package apitest holds answers of the private listener against its OpenAPI document. It is for tests: what a client is told
// must be what the document says, field by field.
package apitest

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"optgate/gateway/api"
)

// Document is the OpenAPI document, ready to be held against. It may be used by several goroutines.
type Document struct {
	router routers.Router
	doc    *openapi3.T
}

// Exchange is a request and its answer.
type Exchange struct {
	Method  string
	Target  string // path and query
	Asked   []byte // the request's body; nil where it is not looked at
	Kind    string // its content type; "" counts as JSON
	Status  int
	Header  http.Header
	Answer  []byte
	Partial bool // the answer was not read: only its status and headers count
}

// Load reads the document that the API serves, which must be a sound one.
func Load() (*Document, error) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.Document()))
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	doc.Servers = nil // paths count, wherever a test listens
	router, err := legacy.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return &Document{router, doc}, nil
}

// Check says what about an answer is not documented: its status, a header, its content type, a field too many or too few. Where a
// request was done as asked, it must be one that the document allows.
func (d *Document) Check(e Exchange) error {
	target, err := url.ParseRequestURI(e.Target)
	if err != nil {
		return nil //nolint:nilerr // no client of net/http can ask for it
	}
	target.Path = target.EscapedPath() // a slash within a segment divides nothing
	method := e.Method
	if method == http.MethodHead {
		method, e.Partial = http.MethodGet, true
	}
	request := &http.Request{Method: method, URL: target, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(e.Asked))}
	route, params, err := d.router.FindRoute(request)
	if err != nil {
		return d.stray(e)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeRequestBody: e.Asked == nil || e.Kind == ndjson},
	}
	if e.Status/100 == 2 {
		if request.Header.Set("Content-Type", "application/json"); e.Kind != "" {
			request.Header.Set("Content-Type", e.Kind)
		}
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			return fmt.Errorf("it was done and the document doesn't allow it: %w", err)
		}
		if e.Kind == ndjson {
			if err := d.lines(route.Operation.RequestBody.Value.Content.Get(ndjson), e.Asked); err != nil {
				return fmt.Errorf("it was done and the document doesn't allow it: %w", err)
			}
		}
	}
	return d.answer(e, input)
}

// stray checks the answer of a URL that is none: only a problem may stand there, or nothing for HEAD.
func (d *Document) stray(e Exchange) error {
	if e.Status/100 == 2 {
		return errors.New("the document has no such URL and method")
	}
	if e.Partial {
		return nil
	}
	return d.matches(d.doc.Components.Schemas["Problem"].Value, e.Answer)
}

func (d *Document) answer(e Exchange, request *openapi3filter.RequestValidationInput) error {
	kind, _, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil && !e.Partial && len(e.Answer) > 0 {
		return fmt.Errorf("content type: %w", err)
	}
	read := kind == "application/json" || kind == "application/problem+json"
	response := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: e.Status, Header: e.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: e.Partial || !read},
	}
	response.SetBodyBytes(e.Answer)
	if err := openapi3filter.ValidateResponse(context.Background(), response); err != nil || e.Partial || read {
		return err
	}
	documented := request.Route.Operation.Responses.Status(e.Status).Value.Content
	if len(documented) == 0 && len(e.Answer) == 0 {
		return nil
	}
	content := documented.Get(kind)
	switch {
	case content == nil:
		return fmt.Errorf("content type %q is not documented", kind)
	case kind == ndjson:
		return d.lines(content, e.Answer)
	case kind == "text/csv":
		return columns(content, e.Answer)
	}
	return nil
}

// ndjson is the content type of one JSON object a line.
const ndjson = "application/x-ndjson"

// lines checks each line of NDJSON, whose schema is that of one line.
func (d *Document) lines(content *openapi3.MediaType, answer []byte) error {
	for line := range bytes.Lines(answer) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := d.matches(content.Schema.Value, line); err != nil {
			return err
		}
	}
	return nil
}

// columns checks the header of a CSV against x-columns.
func columns(content *openapi3.MediaType, answer []byte) error {
	names, err := csv.NewReader(bytes.NewReader(answer)).Read()
	if err != nil {
		return fmt.Errorf("header of a CSV: %w", err)
	}
	var documented []string
	listed, _ := content.Extensions["x-columns"].([]any)
	for _, name := range listed {
		documented = append(documented, fmt.Sprint(name))
	}
	if !slices.Equal(names, documented) {
		return fmt.Errorf("columns are %s; the document has %s", strings.Join(names, ","), strings.Join(documented, ","))
	}
	return nil
}

func (d *Document) matches(schema *openapi3.Schema, text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return fmt.Errorf("the answer is no JSON: %w", err)
	}
	return schema.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.VisitAsResponse())
}
