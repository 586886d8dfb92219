package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// parameters checks what was given for one place.
func (c *checker) parameters(field string, need Need, given []any) {
	if need.Count > 0 && len(given) != need.Count && (!need.Optional || len(given) > 0) {
		c.sayf(field, "wrong_count", "are %d, and the template needs %s", len(given), need.words())
	}
	left := slices.Clone(need.Names)
	for i, one := range given {
		at := field + "[" + strconv.Itoa(i) + "]"
		parameter, ok := one.(map[string]any)
		if !ok {
			c.sayf(at, "wrong_type", "must be an object")
			continue
		}
		if need.Kind == "" {
			continue
		}
		c.parameter(at, need, parameter)
		name := text(parameter, "parameter_name")
		switch n := slices.Index(left, name); {
		case len(need.Names) == 0:
			if name != "" {
				c.sayf(at+".parameter_name", "unknown_parameter", "the template's parameters have no names: they are given in their order")
			}
		case name == "":
			c.sayf(at+".parameter_name", "required", "must be one of %s", strings.Join(need.Names, ", "))
		case n >= 0:
			left = slices.Delete(left, n, n+1)
		case slices.Contains(need.Names, name):
			c.sayf(at+".parameter_name", "repeated", "is given twice")
		default:
			c.sayf(at+".parameter_name", "unknown_parameter", "is none of %s", strings.Join(need.Names, ", "))
		}
	}
	if len(left) > 0 && len(given) == need.Count && len(need.Names) > 0 {
		c.sayf(field, "missing_parameter", "lack %s", strings.Join(left, ", "))
	}
}

// written are the types of parameters that fill a variable of a text, each with the member that holds it.
var written = []string{"text", "currency", "date_time"}

// parameter checks one parameter's type, and that it says anything.
func (c *checker) parameter(at string, need Need, given map[string]any) {
	kind := strings.ToLower(text(given, "type"))
	fits := kind == need.Kind
	if need.Kind == "text" {
		fits = slices.Contains(written, kind) && (need.Where != "button" || kind == "text")
	}
	if need.Kind == "payload" && kind == "text" { // as Meta once took it
		fits = true
	}
	if !fits {
		c.sayf(at+".type", "wrong_type", "must be %s", need.Kind)
		return
	}
	switch value := given[kind].(type) {
	case string:
		if strings.TrimSpace(value) == "" {
			c.sayf(at+"."+kind, "required", "must be a text that is not empty")
		}
	case map[string]any:
		if kind == "text" || kind == "payload" || kind == "coupon_code" {
			c.sayf(at+"."+kind, "wrong_type", "must be a text")
		} else if isMedia(kind) && text(value, "id") == "" && text(value, "link") == "" && text(value, "library") == "" {
			c.sayf(at+"."+kind, "required", "must name the file: by library, id or link")
		}
	default:
		if given[kind] == nil && kind == "action" {
			return // a flow's may be left out
		}
		c.sayf(at+"."+kind, "required", "must be there, and be what the type says")
	}
}

func isMedia(kind string) bool { return kind == "image" || kind == "video" || kind == "document" }

// words says what is needed, for people.
func (n Need) words() string {
	of := n.Where
	if n.Index != nil {
		of = fmt.Sprintf("button %d (sub_type %s)", *n.Index, n.SubType)
	}
	switch {
	case len(n.Names) > 0:
		return fmt.Sprintf("%s for the %s", strings.Join(n.Names, ", "), of)
	case n.Count == 1:
		return fmt.Sprintf("1 parameter of type %s for the %s", n.Kind, of)
	}
	return fmt.Sprintf("%d parameters of type %s for the %s", n.Count, n.Kind, of)
}
