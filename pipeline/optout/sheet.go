package optout

import "strings"

// Cell writes a text for a spreadsheet, so that none runs it as a formula: an apostrophe, which spreadsheets take for "this is
// text", stands before all that could be one, and before an apostrophe, so that FromCell gives back any text. A plus and
// digits are a number and stay as they are.
func Cell(text string) string {
	if text == "" || !strings.ContainsRune("=+-@'\t\r\n", rune(text[0])) {
		return text
	}
	if text[0] == '+' && len(text) > 1 && strings.Trim(text[1:], "0123456789") == "" {
		return text
	}
	return "'" + text
}

// FromCell reads what Cell wrote, or what a person or a spreadsheet did: the mark for text is taken away.
func FromCell(text string) string { return strings.TrimPrefix(text, "'") }
