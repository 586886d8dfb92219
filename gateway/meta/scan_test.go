package meta

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestDepthIsNoMatter(t *testing.T) {
	const deep = 100_000
	if !valid([]byte(strings.Repeat("[", deep) + strings.Repeat("]", deep))) {
		t.Error("nesting is no reason to refuse")
	}
	for _, torn := range []string{strings.Repeat("[", deep), strings.Repeat(`{"a":`, deep), strings.Repeat("]", deep)} {
		if valid([]byte(torn)) {
			t.Error("what is not closed is valid")
		}
	}
}

// harmless takes what is no JSON only within a string for what is JSON only there.
func harmless(r rune) rune {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return ' '
	case r < ' ':
		return 'x'
	}
	return r
}

// FuzzScan compares with encoding/json, whose idea of JSON is ours up to its depth.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `{"a":1,"a":[true,null,-0.5e3,"é\n"]}`, ` [ 1 , 2 ] `, `[1,]`, `{"a"}`, `{"a":1,}`, `"\x"`, `01`, `1 2`, `nul`,
		`["` + "\xff" + `"]`, "[\"\t\"]", `[}`, `{]`, `[1}`, `{"a":[}`, ``, ` `, `"`, `"\`, `"\u12`, `[,]`, `{,}`, `{"a":1 "b":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if valid(text) != json.Valid(text) {
			t.Fatalf("valid says %v", valid(text))
		}
		if harmless := bytes.Map(harmless, text); sound(text) != json.Valid(harmless) {
			t.Fatalf("sound says %v", sound(text))
		}
		if !valid(text) {
			return
		}
		value := text[space(text, 0):]
		if list, ok := elements(value); ok {
			var want []json.RawMessage
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			if len(list) != len(want) {
				t.Fatalf("%d elements, want %d", len(list), len(want))
			}
			for i, e := range list {
				if string(e) != string(want[i]) {
					t.Fatalf("element %d is %q, want %q", i, e, want[i])
				}
			}
		}
		var want map[string]json.RawMessage
		if o := members(value); o != nil {
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			for key, value := range want {
				if string(o.get(key)) != string(value) {
					t.Fatalf("member %q is %q, want %q", key, o.get(key), value)
				}
			}
		}
	})
}
