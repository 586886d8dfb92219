package api_test

import (
	"strings"
	"testing"
)

func TestAnyoneMayReadTheDocument(t *testing.T) {
	w := newWorld(t, nil)
	for _, token := range []string{"", "acme-read", "operator", "nobody knows it"} {
		r := w.call(t, token, "GET", "/v1/openapi.yaml", "").is(200, "")
		if r.header.Get("Content-Type") != "application/yaml" || !strings.HasPrefix(string(r.body), "openapi: 3.1") {
			t.Errorf("%s %.40s", r.header.Get("Content-Type"), r.body)
		}
	}
	if r := w.call(t, "", "HEAD", "/v1/openapi.yaml", "").is(200, ""); len(r.body) > 0 || r.header.Get("Ratelimit-Limit") == "" {
		t.Errorf("HEAD: %v %d bytes", r.header, len(r.body))
	}
	w.call(t, "acme-admin", "POST", "/v1/openapi.yaml", "").is(405, "wrong_method")
	if w.call(t, "", "GET", "/v1/optout-lists", "").is(401, "unauthorized"); t.Failed() {
		t.Error("the document alone is open")
	}
}
