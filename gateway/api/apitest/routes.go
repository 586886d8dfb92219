package apitest

import (
	"cmp"
	"slices"
)

// Route is one URL and method of the document, which are those of the API.
type Route struct {
	Method string
	Path   string // "{name}" stands for one segment
	Scope  string // that a token needs; "anyone": no token is needed
}

// Routes gives all routes, sorted.
func (d *Document) Routes() (routes []Route) {
	for path, item := range d.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			scope, _ := operation.Extensions["x-scope"].(string)
			routes = append(routes, Route{method, path, scope})
		}
	}
	slices.SortFunc(routes, func(a, b Route) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method)) })
	return routes
}
