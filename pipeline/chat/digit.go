package chat

import "unicode"

// Digit gives a decimal digit of any script as the ASCII one. Unicode has them in tens that begin with a zero.
func Digit(r rune) (digit byte, ok bool) {
	if r >= '0' && r <= '9' {
		return byte(r), true
	}
	if r <= unicode.MaxLatin1 {
		return 0, false
	}
	for _, tens := range unicode.Nd.R16 {
		if r >= rune(tens.Lo) && r <= rune(tens.Hi) {
			return '0' + byte((r-rune(tens.Lo))%10), true
		}
	}
	for _, tens := range unicode.Nd.R32 {
		if r >= rune(tens.Lo) && r <= rune(tens.Hi) {
			return '0' + byte((r-rune(tens.Lo))%10), true
		}
	}
	return 0, false
}
