package imports_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"optgate/pipeline/imports"
)

// FuzzRow imports a row of any texts: each entry counts once, an import does what its rehearsal said, a second one changes
// nothing, and no reason repeats what stood in the file.
func FuzzRow(f *testing.F) {
	for _, row := range [][4]string{
		{"+447700900001", "", "wa", "2026-11-22T10:00:00Z"}, {"07700 900001", "ada@example.com", "*", "2026-11-22"},
		{"US.13491208655302741918", "", "", "2026-11-22 10:00:00"}, {"'+447700900001", "'=cmd", "sms", "1969-01-01"},
		{"4.47701E+11", "ada@", "wa", "9999-12-31T23:59:59+14:00"}, {"\xff", "a\nb", "\"", "now"}, {"", "", "", ""},
	} {
		f.Add(row[0], row[1], row[2], row[3])
	}
	f.Fuzz(func(t *testing.T, to, email, channel, at string) {
		var file bytes.Buffer
		w := csv.NewWriter(&file)
		if w.WriteAll([][]string{{"to", "email", "channel", "at"}, {to, email, channel, at}}) != nil {
			return
		}
		rehearse := func(w *world) imports.Rehearsal {
			table, err := imports.Open(bytes.NewReader(file.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			r, err := w.importer().Rehearse(t.Context(), order("i", "dry"), table)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		people := newWorld()
		dry := rehearse(people)
		i, err := run(t.Context(), people, order("i", "1"), bytes.NewReader(file.Bytes()))
		if err != nil || people.bad != nil {
			t.Fatal(err, people.bad)
		}
		if i.Added != dry.Added || i.Refused != dry.Refused || i.Read() < 1 || i.Read() > 2 || i.Known+i.Stayed > 0 {
			t.Fatalf("%s, rehearsed %+v", sums(&i), dry)
		}
		for _, row := range dry.Rows {
			for _, text := range []string{to, email} {
				if len(text) > 6 && strings.Contains(row.Reason, text) {
					t.Fatalf("%q repeats %q", row.Reason, text)
				}
			}
		}
		if again := rehearse(people); again.Added != 0 || again.Known != dry.Added || again.Refused != dry.Refused {
			t.Fatalf("%+v, and then %+v", dry, again)
		}
	})
}
