package broadcast_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

func renamed(f fault.Field, row int) fault.Field {
	f.Field = fmt.Sprintf("%d %s", row, f.Field)
	return f
}

func body(text string) []byte { return fmt.Appendf(nil, `{"text":{"body":%q},"type":"text"}`, text) }

func TestAPushGivesEachPersonOneRowInTheOrderGiven(t *testing.T) {
	p := broadcast.Push{
		Channel: "wa", Category: chat.Marketing, Priority: true, Message: body("Hi {{name}}"),
		To: []broadcast.PushRow{
			{Given: "447700900001", To: "phone:447700900001"},
			{Given: "junk"},
			{Given: "447700900002", To: "phone:447700900002", Message: body("Own {{1}}")},
			{Given: "+447700900001", To: "phone:447700900001", Message: body("again")},
			{Given: "junk"},
		},
	}
	d, stands, err := terms().Push("p1", []byte("body"), p, renamed)
	must(t, err)
	if diff := cmp.Diff([]int{1, 2, 3, 1, 4}, stands); diff != "" {
		t.Errorf("who stands for whom: %s", diff)
	}
	if d.Plan.Audience != 4 || d.Plan.Duplicates != 1 || d.Plan.Priority || d.Plan.Lists[0] != "default" || len(d.Plan.Lists) != 1 {
		t.Errorf("%+v", d.Plan)
	}
	var got []string
	for _, r := range d.Rows[0] {
		message := r.Message
		if message == nil && r.Error == "" {
			filled, wrong, err := d.Plan.Message.For(r.Params)
			if err != nil || wrong != "" {
				t.Fatal(wrong, err)
			}
			message = filled
		}
		got = append(got, fmt.Sprintf("%d %s %s %s", r.N, r.Given, r.Error, message))
	}
	want := []string{ // what stands in braces is sent as it is
		`1 447700900001  {"text":{"body":"Hi {{name}}"},"type":"text"}`,
		`2 junk Invalid Number `,
		`3 447700900002  {"text":{"body":"Own {{1}}"},"type":"text"}`,
		`4 junk Invalid Number `,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(d.Repeats[0]) != 1 || d.Repeats[0][0].Line != 4 || d.Repeats[0][0].Of != 1 {
		t.Errorf("repeats %+v", d.Repeats)
	}
	p.Category = chat.Utility
	if d, _, err = terms().Push("p1", []byte("body"), p, renamed); err != nil || !d.Plan.Priority {
		t.Errorf("what is no marketing may go before: %v", err)
	}
}

func TestAPushTellsWhoseMessageCanNotBeSent(t *testing.T) {
	long := body(strings.Repeat("x", 4097))
	_, _, err := terms().Push("p1", nil, broadcast.Push{
		Channel: "nowhere", Category: chat.Marketing, Message: long,
		To: []broadcast.PushRow{{To: "phone:447700900001", Message: long}},
	}, renamed)
	var got []string
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, w := range f.Fields {
			got = append(got, w.Field+" "+w.Code)
		}
	}
	want := []string{"channel unknown_channel", "-1 message.text.body too_long", "0 message.text.body too_long"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
