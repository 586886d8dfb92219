package chat

import (
	"net/mail"
	"strings"

	"optgate/pipeline/fault"
)

// longestEmail is what SMTP can carry (RFC 5321).
const longestEmail = 254

// Email reads an e-mail address, without a name or comment beside it. Its domain counts without case. The error
// (fault.Unprocessable, code "invalid_email") never repeats it.
func Email(text string) (Identifier, error) {
	text = strings.TrimSpace(text)
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text || len(text) > longestEmail {
		return "", fault.New(fault.Unprocessable, "invalid_email", "That is no e-mail address.")
	}
	at := strings.LastIndexByte(text, '@')
	return Identifier(KindEmail + ":" + text[:at] + strings.ToLower(text[at:])), nil
}
