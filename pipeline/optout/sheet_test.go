package optout_test

import (
	"strings"
	"testing"

	"optgate/pipeline/optout"
)

func TestACellIsNeverAFormulaAndComesBack(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "+447700900001": "+447700900001", "ada@example.com": "ada@example.com", "=1+1@example.com": "'=1+1@example.com",
		"@SUM(A1)": "'@SUM(A1)", "+": "'+", "+44-1": "'+44-1", "-2@example.com": "'-2@example.com", "'bob@example.com": "'bob@example.com", "'": "'", "'=1": "''=1", "''": "'''", "é": "é",
		"\t=1": "'\t=1",
	} {
		if got := optout.Cell(text); got != want || optout.FromCell(got) != text {
			t.Errorf("%q becomes %q and back %q", text, got, optout.FromCell(got))
		}
	}
}

func FuzzCell(f *testing.F) {
	f.Add("=cmd|' /C calc'!A0")
	f.Fuzz(func(t *testing.T, text string) {
		cell := optout.Cell(text)
		if optout.FromCell(cell) != text {
			t.Errorf("%q comes back as %q", text, optout.FromCell(cell))
		}
		if cell != "" && strings.ContainsRune("=-@\t\r\n", rune(cell[0])) {
			t.Errorf("%q is a formula", cell)
		}
	})
}
