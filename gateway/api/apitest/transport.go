package apitest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
)

// maxAsked is how large a request may be to be held against the document too, in bytes.
const maxAsked = 1 << 20

// Transport makes calls and fails a test at each answer that the document doesn't allow.
type Transport struct {
	t        *testing.T
	document *Document
	calls    http.Transport
}

// loaded is the document, read once for all tests of a process.
var loaded = sync.OnceValues(Load)

// NewTransport makes a transport for one test, which closes its idle connections.
func NewTransport(t *testing.T) *Transport {
	t.Helper()
	d, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return &Transport{t: t, document: d}
}

// CloseIdleConnections does what http.Client's calls.
func (x *Transport) CloseIdleConnections() { x.calls.CloseIdleConnections() }

// RoundTrip makes a call and checks its answer, which is read to its end, save that of a call that follows something.
func (x *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := x.calls.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	e := Exchange{
		Method: request.Method, Target: request.URL.RequestURI(), Kind: request.Header.Get("Content-Type"), Asked: asked(request),
		Status: response.StatusCode, Header: response.Header,
	}
	e.Partial = request.URL.Query().Get("follow") == "true" || request.URL.Query().Get("seconds") != "" ||
		response.Header.Get("Content-Type") == "text/event-stream"
	if !e.Partial {
		e.Answer, err = io.ReadAll(response.Body)
		_ = response.Body.Close() // it is read to its end
		response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(e.Answer), broken{err}))
	}
	if wrong := x.document.Check(e); wrong != nil && err == nil {
		x.t.Errorf("%s %s answers %d as openapi.yaml does not say: %v\n%.2000q", e.Method, e.Target, e.Status, wrong, e.Answer)
	}
	return response, nil
}

// asked gives a request's body; nil where it is large or a stream.
func asked(request *http.Request) []byte {
	if request.GetBody == nil || request.ContentLength > maxAsked {
		return nil
	}
	body, err := request.GetBody()
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil
	}
	return text
}

// broken ends a body as it ended when it was read.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, io.EOF
}
