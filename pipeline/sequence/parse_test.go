package sequence_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/fault"
	"optgate/pipeline/sequence"
)

func fields(wrong []fault.Field) (names []string) {
	for _, w := range wrong {
		names = append(names, w.Field+" "+w.Code)
	}
	return names
}

func TestEveryWrongFieldOfAPlanIsNamed(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		_, wrong, err := sequence.ParsePlan([]byte(body))
		if got := fields(wrong); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, not\n%q, %v", body, got, want, err)
		}
	}
	f(`{}`, "name required", "channel required", "category required", "lists required", "steps required")
	f(asked(text("Hi", `{"days":1}`)))
	f(asked(), "steps out_of_range")
	f(asked(`{"id":3,"after":{},"at":"25:00"}`), "steps[0].message required", "steps[0].after wrong_type", "steps[0].at not_an_hour", "steps[0].id unknown_step")
	f(asked(text("Hi", `{"days":400}`), text("", `{"days":-1}`), text("Hi", `{"weeks":1}`), text("Hi", `{"days":1},"zone":"Mars/Olympus"`), text("Hi", `{"days":1},"zone":"Mars/Olympus","at":"09:00"`)),
		"steps[0].after out_of_range", "steps[1].message.text.body required", "steps[1].after.days out_of_range", "steps[2].after.weeks unknown_field",
		"steps[3].zone out_of_place", "steps[4].zone unknown_zone")
	f(`{"name":" ","channel":1,"category":"marketing","lists":"default","quiet_hours":{"from":"9","to":"09:00","until":1},"steps":[7]}`,
		"channel wrong_type", "name out_of_range", "lists wrong_type", "quiet_hours.until unknown_field", "quiet_hours.from not_an_hour", "steps[0] wrong_type")
	f(asked(`{"after":{"days":1},"message":{"type":"image","image":{"library":"{{picture}}"}}}`, `{"after":{"days":1},"message":{"type":"image","image":{"library":"f1","caption":"{{name}}"}}}`),
		"steps[0].message file_by_parameter")
	f(strings.Replace(asked(text("Hi", `{"days":1}`)), `"name":"`, `"name":"a\u0000`, 1), "name control_character")
	for _, body := range []string{``, `[]`, `null`, `{"name":`, `{} {}`} {
		if _, _, err := sequence.ParsePlan([]byte(body)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// FuzzParse: whatever is sent, a plan that is taken is written and read as the same.
func FuzzParse(f *testing.F) {
	f.Add(asked(text("Hi {{name}}", `{"days":1,"hours":2},"at":"09:00","zone":"Europe/London"`)))
	f.Add(`{"name":null,"quiet_hours":null,"steps":[{"id":2}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		_, _, _ = sequence.ParsePatch([]byte(body))
		p, wrong, err := sequence.ParsePlan([]byte(body))
		if err != nil || len(wrong) > 0 {
			return
		}
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back sequence.Plan
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil || cmp.Diff(string(raw), string(again)) != "" {
			t.Errorf("%s became %s: %v", raw, again, err)
		}
	})
}
