package configs

import (
	"encoding"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decode reads a tree into a configuration and gives all that can't be read at once. koanf's own decoding stops at the first
// unknown key of a group and quotes values, which may be secrets.
func decode(tree map[string]any, into *Config) Problems {
	var d decoder
	d.value("", tree, reflect.ValueOf(into).Elem())
	return d.problems
}

type decoder struct{ problems Problems }

// defaulter is a group of keys with defaults of its own.
type defaulter interface{ defaults() }

// value reads one value. What is null or can't be read stays as it is.
func (d *decoder) value(path string, raw any, into reflect.Value) {
	if group, ok := reflect.TypeAssert[defaulter](into.Addr()); ok {
		group.defaults()
	}
	if raw == nil {
		return
	}
	if text, ok := reflect.TypeAssert[encoding.TextUnmarshaler](into.Addr()); ok {
		d.text(path, raw, text)
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		d.group(path, raw, into)
	case reflect.Slice:
		d.list(path, raw, into)
	default:
		d.scalar(path, raw, into)
	}
}

func (d *decoder) group(path string, raw any, into reflect.Value) {
	known := make([]string, into.NumField())
	for i := range known {
		known[i] = into.Type().Field(i).Tag.Get("yaml")
	}
	group, ok := raw.(map[string]any)
	if !ok {
		d.problems.addf(path, "must be a group of keys: %s", strings.Join(known, ", "))
		return
	}
	for i, key := range known {
		d.value(below(path, key), group[key], into.Field(i))
	}
	for _, key := range slices.Sorted(maps.Keys(group)) {
		if !slices.Contains(known, key) {
			d.problems.addf(below(path, key), "unknown key; known here: %s", strings.Join(known, ", "))
		}
	}
}

func below(path, key string) string {
	if path == "" {
		return shown(key)
	}
	return path + "." + shown(key)
}

// shown writes a key as it is, or quoted where it holds what no key does.
func shown(key string) string {
	if idForm.MatchString(key) {
		return key
	}
	return strconv.Quote(key)
}

func (d *decoder) list(path string, raw any, into reflect.Value) {
	var elements []any
	switch raw := raw.(type) {
	case []any:
		elements = raw
	case []string: // a flag
		for _, text := range raw {
			elements = append(elements, given{Text: text})
		}
	case given:
		for text := range strings.SplitSeq(raw.Text, ",") {
			if text = strings.TrimSpace(text); text != "" {
				elements = append(elements, given{Text: text})
			}
		}
	default:
		d.problems.addf(path, "must be a list, as [a, b]")
		return
	}
	list := reflect.MakeSlice(into.Type(), len(elements), len(elements))
	for i, element := range elements {
		at := fmt.Sprintf("%s[%d]", path, i)
		if element == nil {
			d.problems.addf(at, "is empty: give it a value or remove it")
			continue
		}
		d.value(at, element, list.Index(i))
	}
	into.Set(list)
}

// text reads a value whose type reads itself.
func (d *decoder) text(path string, raw any, into encoding.TextUnmarshaler) {
	text, ok := asText(raw)
	if !ok {
		d.problems.addf(path, "must be text: put it in quotes")
		return
	}
	if err := into.UnmarshalText([]byte(text)); err != nil {
		d.problems.addf(path, "must be a network, as 10.1.0.0/16")
	}
}

func (d *decoder) scalar(path string, raw any, into reflect.Value) {
	switch into.Kind() {
	case reflect.String:
		text, ok := asText(raw)
		if !ok {
			d.problems.addf(path, "must be text: put it in quotes")
			return
		}
		into.SetString(text)
	case reflect.Bool:
		truth, ok := asBool(raw)
		if !ok {
			d.problems.addf(path, "must be true or false")
			return
		}
		into.SetBool(truth)
	case reflect.Int:
		number, ok := asInt(raw)
		if !ok {
			d.problems.addf(path, "must be a whole number")
			return
		}
		into.SetInt(number)
	case reflect.Float64:
		number, ok := asFloat(raw)
		if !ok {
			d.problems.addf(path, "must be a number")
			return
		}
		into.SetFloat(number)
	default:
		panic("configs: no way to read a " + into.Type().String())
	}
}

func asText(raw any) (string, bool) {
	if g, ok := raw.(given); ok {
		return g.Text, true
	}
	text, ok := raw.(string)
	return text, ok
}

func asBool(raw any) (truth, ok bool) {
	if g, isGiven := raw.(given); isGiven {
		truth, err := strconv.ParseBool(g.Text)
		return truth, err == nil
	}
	truth, ok = raw.(bool)
	return truth, ok
}

func asInt(raw any) (int64, bool) {
	switch raw := raw.(type) {
	case given:
		number, err := strconv.Atoi(raw.Text)
		return int64(number), err == nil
	case int:
		return int64(raw), true
	}
	return 0, false
}

func asFloat(raw any) (float64, bool) {
	var number float64
	switch raw := raw.(type) {
	case given:
		parsed, err := strconv.ParseFloat(raw.Text, 64)
		if err != nil {
			return 0, false
		}
		number = parsed
	case int:
		number = float64(raw)
	case float64:
		number = raw
	default:
		return 0, false
	}
	return number, !math.IsNaN(number) && !math.IsInf(number, 0)
}
