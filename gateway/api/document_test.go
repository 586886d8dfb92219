package api

import (
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestTheDocumentNamesEveryRoute: routes.go and openapi.yaml have the same URLs, methods and scopes, so that neither is forgotten.
func TestTheDocumentNamesEveryRoute(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(Document()))
	if err != nil {
		t.Fatal(err)
	}
	var documented, served []string
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			scope, _ := operation.Extensions["x-scope"].(string)
			documented = append(documented, method+" "+path+" ["+scope+"]")
			if open := operation.Security != nil && len(*operation.Security) == 0; open != (scope == "anyone" || scope == string(inBody)) {
				t.Errorf("%s %s: a Bearer token is needed unless x-scope is anyone, or says that it is in the body; then security is []", method, path)
			}
			if operation.OperationID == "" || operation.Summary == "" || len(operation.Tags) != 1 {
				t.Errorf("%s %s: give operationId, summary and one tag", method, path)
			}
		}
	}
	a := New(Options{Profiles: true})
	for _, r := range a.routes {
		name := string(r.scope)
		if r.scope == anyone {
			name = "anyone"
		}
		served = append(served, r.method+" "+r.path+" ["+name+"]")
	}
	for _, route := range served {
		if !slices.Contains(documented, route) {
			t.Errorf("openapi.yaml lacks %s", route)
		}
	}
	for _, route := range documented {
		if !slices.Contains(served, route) {
			t.Errorf("routes.go lacks %s, which openapi.yaml has", route)
		}
	}
}

// TestEachOperationSaysWhatItMayAnswer: whoever takes something that can be refused, or needs a token, documents the refusal.
func TestEachOperationSaysWhatItMayAnswer(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(Document()))
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			var needed []int
			if operation.Security == nil {
				needed = append(needed, 401, 403, 429, 500, 503)
			}
			if operation.RequestBody != nil {
				needed = append(needed, 400, 413)
			}
			for _, p := range slices.Concat(item.Parameters, operation.Parameters) {
				switch p.Value.Name {
				case "limit", "after", "Idempotency-Key":
					needed = append(needed, 400)
				case "If-Match":
					needed = append(needed, 412)
				}
			}
			for _, status := range needed {
				if operation.Responses.Status(status) == nil {
					t.Errorf("%s %s does not say that it may answer %d", method, path, status)
				}
			}
		}
	}
}
