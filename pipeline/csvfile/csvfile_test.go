package csvfile_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"optgate/pipeline/csvfile"
	"optgate/pipeline/fault"
)

func TestAFileIsReadByItsOwnHeader(t *testing.T) {
	f, err := csvfile.Open(strings.NewReader("\xef\xbb\xbf\r\nTo;First Name\r\n1;\"A\r\nda\"\r\n\r\n2\r\n3;x"), "to")
	if err != nil || !slices.Equal(f.Header, []string{"To", "First Name"}) {
		t.Fatalf("%q, %v", f.Header, err)
	}
	for _, want := range []csvfile.Row{{Line: 3, Fields: []string{"1", "A\r\nda"}}, {Line: 6, Wrong: "another number"}, {Line: 7, Fields: []string{"3", "x"}}} {
		row, err := f.Next()
		if err != nil || row.Line != want.Line || !strings.Contains(row.Wrong, want.Wrong) || want.Wrong == "" && !slices.Equal(row.Fields, want.Fields) {
			t.Errorf("%+v, %v", row, err)
		}
	}
	if _, err := f.Next(); !errors.Is(err, io.EOF) || f.Line() != 7 {
		t.Errorf("the end: %v, line %d", err, f.Line())
	}
}

func TestAnEmptyFileIsToldWhichColumnsItLacks(t *testing.T) {
	_, err := csvfile.Open(strings.NewReader("sep=;\n"), "to and name")
	if wrong, ok := errors.AsType[*fault.Error](err); !ok || wrong.Code != "empty_file" || !strings.Contains(wrong.Msg, "to and name") {
		t.Error(err)
	}
}
