package meta_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
)

var update = flag.Bool("update", false, "write the golden files anew, to be read line by line afterwards")

// told is one item of a golden file.
type told struct {
	Key     string        `json:"key"`
	Field   string        `json:"field"`
	Kind    string        `json:"kind"`
	Inbound *chat.Inbound `json:"inbound,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// TestEveryPayloadIsUnderstood decodes each composed payload and compares all that was understood with its golden file.
func TestEveryPayloadIsUnderstood(t *testing.T) {
	paths, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil || len(paths) < 120 {
		t.Fatalf("%d payloads: %v", len(paths), err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, ".json"), func(t *testing.T) {
			got, err := json.MarshalIndent(tell(t, read(t, path)), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", "golden", name)
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(read(t, golden)), string(got)+"\n"); diff != "" {
				t.Errorf("golden file differs (-want +got):\n%s", diff)
			}
		})
	}
}

// tell splits a body, decodes each item, and checks what must hold for every payload.
func tell(t *testing.T, body []byte) []told {
	t.Helper()
	items, err := meta.AppendItems(nil, body)
	if err != nil {
		return []told{{Error: err.Error()}}
	}
	var all []told
	for _, item := range items {
		if len(items) == 1 && &item.Value[0] != &body[0] {
			t.Error("the only item of a body is not the very body")
		}
		if !json.Valid(item.Value) {
			t.Errorf("record is no JSON: %s", item.Value)
		}
		one := told{Key: string(item.Key), Field: item.Field, Kind: item.Kind}
		in, err := meta.Decode(item.Value)
		if err != nil {
			one.Error = err.Error()
		} else {
			if string(in.Raw) != string(item.Value) {
				t.Error("Raw is not the record")
			}
			in.Raw = nil
			one.Inbound = &in
		}
		all = append(all, one)
	}
	return all
}

// payloads gives all composed payloads.
func payloads(t testing.TB) [][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/payloads/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, path := range paths {
		all = append(all, read(t, path))
	}
	return all
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
