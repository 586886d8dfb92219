package api

import (
	"reflect"
	"strings"
)

// fieldPath gives a field as the request has it. The decoder's path to it names embedded structs besides, which no request knows.
func fieldPath(into any, path string) string {
	at, shown := reflect.TypeOf(into), []string(nil)
	for name := range strings.SplitSeq(path, ".") {
		field, known := member(at, name)
		if !known || !field.Anonymous {
			shown = append(shown, name)
		}
		if at = nil; known {
			at = field.Type
		}
	}
	return strings.Join(shown, ".")
}

// member finds a field of a struct, or of what a list, a map or a pointer holds, by its name in JSON; an embedded one by its type.
func member(of reflect.Type, name string) (reflect.StructField, bool) {
	for of != nil && (of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Array || of.Kind() == reflect.Map) {
		of = of.Elem()
	}
	if of == nil || of.Kind() != reflect.Struct {
		return reflect.StructField{}, false
	}
	for field := range of.Fields() {
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if strings.EqualFold(tag, name) || tag == "" && field.Name == name {
			return field, true
		}
	}
	return reflect.StructField{}, false
}
