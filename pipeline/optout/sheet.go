package optout

import "strings"

// formula is what a spreadsheet may take a text for that begins with one of these.
const formula = "=+-@\t\r\n"

// Cell writes a text for a spreadsheet, so that none runs it as a formula: an apostrophe, which spreadsheets take for "this is
// text", stands before all that could be one, and before what FromCell would take for marked, so that it gives back any
// text. A plus and digits are a number and stay as they are.
func Cell(text string) string {
	if text == "" || !strings.Contains(formula, text[:1]) && !marked(text) {
		return text
	}
	if text[0] == '+' && len(text) > 1 && strings.Trim(text[1:], "0123456789") == "" {
		return text
	}
	return "'" + text
}

// FromCell reads what Cell wrote, or what a person or a spreadsheet did: the mark for text is taken away.
func FromCell(text string) string {
	if marked(text) {
		return text[1:]
	}
	return text
}

// marked says whether an apostrophe stands before what could be a formula, or before another mark.
func marked(text string) bool {
	return len(text) > 1 && text[0] == '\'' && strings.ContainsRune(formula+"'", rune(text[1]))
}
