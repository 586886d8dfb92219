package api

import (
	"net/url"
	"strings"
)

// route is one URL and method.
type route struct {
	method  string
	path    string // "{name}" stands for one segment that is not empty
	scope   scope
	handler func(c *call) error
}

// match gives a path's parameters if it is this route's. The path is as it was sent: a segment may hold an escaped slash.
func (r route) match(path string) (params map[string]string, ok bool) {
	want := r.path
	for want != "" || path != "" {
		var w, p string
		w, want, _ = strings.Cut(strings.TrimPrefix(want, "/"), "/")
		p, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		name, isParam := strings.CutPrefix(w, "{")
		switch {
		case isParam && p != "":
			if params == nil {
				params = map[string]string{}
			}
			params[strings.TrimSuffix(name, "}")] = unescape(p)
		case w != p:
			return nil, false
		}
	}
	return params, true
}

// unescape reads what is percent-encoded in a segment; one that isn't so rightly is what it is.
func unescape(segment string) string {
	if text, err := url.PathUnescape(segment); err == nil {
		return text
	}
	return segment
}

// find gives the route of a request; where only the method is wrong, the methods that would do. A URL that has a path of its own,
// as …/entries/delete, belongs to no path with a parameter there.
func (a *API) find(method, path string) (found *route, params map[string]string, allowed []string) {
	own := ""
	for i := range a.routes {
		r := &a.routes[i]
		p, ok := r.match(path)
		if !ok || own != "" && own != r.path && strings.Count(own, "{") < strings.Count(r.path, "{") {
			continue
		}
		if own != r.path {
			own, found, params, allowed = r.path, nil, nil, nil
		}
		if r.method == method || r.method == "GET" && method == "HEAD" {
			found, params = r, p
		}
		allowed = append(allowed, r.method)
	}
	if found != nil {
		allowed = nil
	}
	return found, params, allowed
}
