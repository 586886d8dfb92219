package meta

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzGlance compares the short way through Split with the long one.
func FuzzGlance(f *testing.F) {
	short := 0
	for _, seed := range allPayloads(f) {
		f.Add(seed)
		if _, ok := glance(seed); ok {
			short++
		}
	}
	if short < 50 {
		f.Fatalf("only %d payloads go the short way", short)
	}
	const around = `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[`
	for _, item := range []string{
		`{"from":"1","from":"2"}`, `{"from":{},"from":"2"}`, `{"from":7}`, `{"from":"","to":"3"}`, `{"from":"\u0031"}`, "{\"from\":\"\xff\"}",
		`{"user_id":"u","from":"2"}`, `{"sender":{"id":"s"},"from":"2"}`, `{"value":{"sender":{"phone_number":"s"}}}`, `{}`, `7`, `{"from":-1e3,}`,
		"{\"from\":\"1\",\"x\":\"\x00\"}",
	} {
		f.Add([]byte(around + item + `]}}]}]}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		item, ok := glance(body)
		if !ok {
			return
		}
		all, err := walk(body)
		if err != nil || len(all) != 1 {
			t.Fatalf("a glance sees one item, walk %d (%v)", len(all), err)
		}
		if one := all[0]; string(item.Key) != string(one.key(members(one.item))) || item.Field != one.field() || item.Kind != one.kind() {
			t.Fatalf("a glance sees %q %q %q, walk %q %q %q", item.Key, item.Field, item.Kind, one.key(members(one.item)), one.field(), one.kind())
		}
		if &item.Value[0] != &body[0] || len(item.Value) != len(body) {
			t.Fatal("the only item is not the very body")
		}
	})
}

func allPayloads(t testing.TB) (all [][]byte) {
	paths, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, body)
	}
	return all
}
