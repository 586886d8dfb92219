package shard

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzCommandsAreReadAsTheyAreWritten compares what a glance finds with what encoding/json does.
func FuzzCommandsAreReadAsTheyAreWritten(f *testing.F) {
	for _, c := range []Command{
		{ID: "c1", Kind: "consent.change", Account: "acme", Made: 1_794_300_000_000, Body: json.RawMessage(`{"who":[{"p":1}],"out":true}`)},
		{ID: "Ünïcode\n\"", Kind: "k", Made: -1, Body: json.RawMessage(`{"a":"}"}`)},
		{Body: json.RawMessage(`[]`)},
	} {
		r, err := c.Record(0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Value)
	}
	for _, text := range []string{
		`{"v":1,"id":"a","kind":"k","made":1,"body":{},"more":{}}`, `{"v":1,"id":"a","kind":"k","made":1,"body":{}}}`,
		`{"v":1,"id":"a","kind":"k","made":01,"body":{}}`, `{"v":1,"id":"a","kind":"k","made":1,"body":{}}, "id":"b"}`,
		`{"v":1,"id":"a","kind":"k","made":9999999999999999999,"body":{}}`, `{"v":1,"id":"a","kind":"k","account":"x","made":1,"body":{"` + "\xff" + `":1}}`,
		`{"v":2,"id":"a"}`, ``, `null`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var want Command
		errWant := json.Unmarshal(value, &want)
		got, err := readCommand(value)
		if (err == nil) != (errWant == nil) {
			t.Fatalf("%v, and encoding/json says %v", err, errWant)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Command{})); diff != "" {
			t.Error(diff)
		}
	})
}

// What Record writes is read by the glance, else it buys nothing.
func TestTheUsualCommandIsReadAtAGlance(t *testing.T) {
	for _, account := range []string{"acme", ""} {
		c := Command{ID: "c/1.2", Kind: "consent.travel", Account: account, Made: 1_794_300_000_000, Body: json.RawMessage(`{"a":{"b":[1,"c"]}}`)}
		r, err := c.Record(0)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := glance(r.Value); !ok {
			t.Errorf("%s is not read at a glance", r.Value)
		}
	}
}

func BenchmarkReadCommand(b *testing.B) {
	c := Command{ID: "3f8a90c1d2e4b5a6", Kind: "consent.change", Account: "acme", Made: 1_794_300_000_000, Body: json.RawMessage(`{"who":[{"id":"phone:49000000001","p":5577006791947779410}],"out":true,"marks":[{"list":"default","channel":"wa","at":1794300000000,"source":"message","rule":"stop","message":"3f8a90c1d2e4b5a6"}],"confirm":{"channel":"wa","given":"49000000001","texts":[{"list":"default","body":"You will not get any more messages from us."}]}}`)}
	r, err := c.Record(0)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("glance", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := readCommand(r.Value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var c Command
			if err := json.Unmarshal(r.Value, &c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
