package inbound_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
	"optgate/pipeline/inbound"
	"optgate/pipeline/stream"
)

// fillAll sets every field of a struct to something, so that a field that is added and not written is found.
func fillAll(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(sent.Add(123 * time.Millisecond)))
			return
		}
		for _, field := range v.Fields() {
			fillAll(field)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillAll(v.Elem())
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"a":[1,"b"]}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillAll(v.Index(0))
		if fillAll(v.Index(1)); v.Index(1).Kind() == reflect.String {
			v.Index(1).SetString("another")
		}
	case reflect.String:
		v.SetString("some text of " + v.Type().Name())
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("a field of a kind that this test can't fill: " + v.Kind().String())
	}
}

// asWritten compares an event as it is written with what encoding/json makes of it.
func asWritten(t *testing.T, e inbound.Event) {
	t.Helper()
	var got, want any
	if err := json.Unmarshal(e.AppendJSON(nil), &got); err != nil {
		t.Fatalf("%v: %s", err, e.AppendJSON(nil))
	}
	judge, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(judge, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-encoding/json +ours):\n%s", diff)
	}
}

func TestAnEventIsWrittenAsEncodingJSONWould(t *testing.T) {
	asWritten(t, inbound.Event{})
	var full inbound.Event
	fillAll(reflect.ValueOf(&full).Elem())
	asWritten(t, full)
}

func FuzzEvent(f *testing.F) {
	d := newDesk(f)
	for _, name := range []string{"text_stop", "status_failed_131050", "system_user_changed_number", "user_preferences_stop"} {
		f.Add(d.body(name), "acme", `a "quote", \ and `+"\n\xff 🛑 <b>")
	}
	f.Fuzz(func(t *testing.T, record []byte, account, text string) {
		in, err := meta.Decode(record)
		if err != nil {
			return
		}
		asWritten(t, inbound.Event{V: stream.Version, Account: account, Item: in, At: 1, Done: inbound.Done{Lists: []string{text}, Linked: true}})
		in.Texts, in.Who = []string{text}, []chat.Identifier{chat.Identifier(text), "phone:1"}
		asWritten(t, inbound.Event{ID: text, Item: in, Pseudonym: 1 << 62})
	})
}

func BenchmarkEvent(b *testing.B) {
	in, err := meta.Decode(newDesk(b).body("bsuid_and_phone"))
	if err != nil {
		b.Fatal(err)
	}
	e := inbound.Event{V: stream.Version, Account: "acme", Channel: "wa", ID: "0123456789abcdef", Item: in, At: 1}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.AppendJSON(make([]byte, 0, 2048))
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(e); err != nil {
				b.Fatal(err)
			}
		}
	})
}
