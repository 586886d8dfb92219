package configs

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// given is one value from the environment or a flag: a text that the field's type says how to read.
type given struct {
	Text string
}

// reserved are names in the environment that are no keys: the command line's, the tests' and those that Kubernetes sets in
// every pod beside a service named optgate.
var reserved = regexp.MustCompile(`^OPTGATE_(CONFIG|API|TOKEN|TEST_.*|([A-Z0-9]+_)*(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?))$`)

// variable turns one name and text of the environment into a place in the tree; an empty name passes it over.
func variable(name, text string) (string, any) {
	if reserved.MatchString(name) {
		return "", nil
	}
	return name, given{Text: text}
}

// flagged marks the texts among flags, so that they are read as the environment's are.
func flagged(flags map[string]any) map[string]any {
	marked := make(map[string]any, len(flags))
	for path, value := range flags {
		if text, ok := value.(string); ok {
			value = given{Text: text}
		}
		marked["flag "+path] = value
	}
	return marked
}

// overlay lays single values over a tree and remembers where each came from.
type overlay struct {
	sources  map[string]string // path → variable or flag
	problems Problems
}

// lay puts named values into a tree. It has the shape that koanf wants of a merge.
func (o *overlay) lay(from, tree map[string]any) error {
	names := slices.Collect(maps.Keys(from))
	places := make(map[string][]string, len(names))
	for _, name := range names {
		places[name] = place(name)
	}
	// An element of a list can only be added after those before it.
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(slices.CompareFunc(places[a], places[b], compareKeys), cmp.Compare(a, b))
	})
	for _, name := range names {
		keys := places[name]
		path := written(keys)
		if err := put(tree, keys, from[name]); err != nil {
			o.problems = append(o.problems, Problem{Path: path, Source: name, Detail: err.Error()})
			continue
		}
		o.sources[path] = name
	}
	return nil
}

// place gives the keys that a variable or a flag names.
func place(name string) []string {
	if path, ok := strings.CutPrefix(name, "flag "); ok {
		return strings.Split(path, ".")
	}
	path := strings.TrimPrefix(name, "OPTGATE_")
	if path != strings.ToUpper(path) {
		return []string{path} // no key is written so: it will be called unknown
	}
	return strings.Split(strings.ToLower(path), "__")
}

// compareKeys orders keys, numbers by their value.
func compareKeys(a, b string) int {
	i, iErr := strconv.Atoi(a)
	j, jErr := strconv.Atoi(b)
	if iErr == nil && jErr == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(a, b)
}

// put sets the value at the end of keys in a group.
func put(group map[string]any, keys []string, value any) error {
	into, err := inside(group[keys[0]], keys[1:], value)
	if err == nil {
		group[keys[0]] = into
	}
	return err
}

// inside gives what stands in node's place once the value is set at the end of keys below it.
func inside(node any, keys []string, value any) (any, error) {
	if len(keys) == 0 {
		return value, nil
	}
	index, err := strconv.Atoi(keys[0])
	isIndex := err == nil && index >= 0
	switch held := node.(type) {
	case map[string]any:
		return held, put(held, keys, value)
	case []any:
		switch {
		case !isIndex:
			return nil, fmt.Errorf("goes through a list: name an element by its number, from 0 to %d", len(held))
		case index > len(held):
			return nil, fmt.Errorf("there is no element %d: the list has %d, so the next one is %d", index, len(held), len(held))
		case index == len(held):
			held = append(held, nil)
		}
		held[index], err = inside(held[index], keys[1:], value)
		return held, err
	case nil:
		if isIndex {
			return inside([]any{}, keys, value)
		}
		return inside(map[string]any{}, keys, value)
	}
	return nil, fmt.Errorf("goes through a value that has nothing inside: remove one of the two")
}

// written writes keys as paths read: accounts[0].id.
func written(keys []string) string {
	var path strings.Builder
	for i, key := range keys {
		switch _, err := strconv.Atoi(key); {
		case err == nil && i > 0:
			path.WriteString("[" + key + "]")
		case i > 0:
			path.WriteString("." + shown(key))
		default:
			path.WriteString(shown(key))
		}
	}
	return path.String()
}

// sourced adds to each problem the variable or flag that its value came from.
func (o *overlay) sourced(problems Problems) Problems {
	for i, p := range problems {
		for path := p.Path; p.Source == "" && path != ""; path = parent(path) {
			problems[i].Source = o.sources[path]
			p = problems[i]
		}
	}
	return problems
}

// parent gives the list that an element's path is in; "" for any other path.
func parent(path string) string {
	if !strings.HasSuffix(path, "]") {
		return ""
	}
	return path[:max(0, strings.LastIndexByte(path, '['))]
}
