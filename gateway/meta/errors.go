package meta

import (
	"net/http"
	"regexp"
	"strings"

	"optgate/pipeline/outbound"
)

// advices says what to do about an error code of the Cloud API. A code that is missing fails the message if Graph said 4xx,
// and leaves it unknown if Graph said 5xx: 1, 2, 131000 and 131016 are missing on purpose, since Meta gives them also to
// messages that it went on to deliver.
var advices = map[int]outbound.Advice{
	0:      outbound.Halt, // token: invalid, expired, revoked
	190:    outbound.Halt,
	3:      outbound.Halt, // permission
	10:     outbound.Halt,
	131005: outbound.Halt,
	368:    outbound.Halt, // locked, or blocked by policy
	131031: outbound.Halt,
	131037: outbound.Halt, // display name not approved
	131042: outbound.Halt, // payment
	131045: outbound.Halt, // registration and certificate
	133000: outbound.Halt,
	133005: outbound.Halt,
	133006: outbound.Halt,
	133008: outbound.Halt,
	133009: outbound.Halt,
	133010: outbound.Halt,
	133015: outbound.Halt,
	133016: outbound.Halt,
	131048: outbound.Halt, // spam rate limit: going on makes it worse

	4:      outbound.Slow, // calls of the app, of the WABA
	80007:  outbound.Slow,
	130429: outbound.Slow, // messages a second of the number
	131056: outbound.Pair,

	131057: outbound.Wait, // account in maintenance, under a minute
	133004: outbound.Wait, // server unavailable
	134101: outbound.Wait, // template still syncing, about ten minutes

	StoppedMarketing: outbound.OptedOut,

	33:     outbound.Fail, // parameters
	100:    outbound.Fail,
	131008: outbound.Fail,
	131009: outbound.Fail,
	131021: outbound.Fail,
	131051: outbound.Fail,
	135000: outbound.Fail,
	130403: outbound.Fail, // this person
	130472: outbound.Fail,
	130497: outbound.Fail,
	131026: outbound.Fail,
	131047: outbound.Fail,
	131049: outbound.Fail, // not before 24 h
	131062: outbound.Fail,
	131063: outbound.Fail,
	131064: outbound.Fail,
	131052: outbound.Fail, // media
	131053: outbound.Fail,
	131055: outbound.Fail, // not for marketing
	134100: outbound.Fail,
	134102: outbound.Fail,
	132000: outbound.Fail, // template, flow
	132001: outbound.Fail,
	132005: outbound.Fail,
	132007: outbound.Fail,
	132012: outbound.Fail,
	132015: outbound.Fail,
	132016: outbound.Fail,
	132018: outbound.Fail,
	132068: outbound.Fail,
	132069: outbound.Fail,
	131020: outbound.Fail, // groups
	131041: outbound.Fail,
	131201: outbound.Fail,
	131204: outbound.Fail,
	131206: outbound.Fail,
	131207: outbound.Fail,
	131208: outbound.Fail,
	131211: outbound.Fail,
	131212: outbound.Fail,
	131215: outbound.Fail,
}

// advise says what to do about an answer of Graph's; ok is false where it does not say whether Meta took the message.
// coded says that the answer held an error object of Graph's.
func advise(status, code int, coded bool) (advice outbound.Advice, ok bool) {
	if coded {
		if advice, ok = advices[code]; ok {
			return advice, true
		}
		if code >= 200 && code < 300 { // permissions
			return outbound.Halt, true
		}
	}
	switch {
	case status == http.StatusRequestTimeout || status < 300 || status >= 500:
		return 0, false
	case status == http.StatusTooManyRequests:
		return outbound.Slow, true
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return outbound.Halt, true
	case !coded: // a redirect, or a page of somebody else's: graph_url leads elsewhere
		return outbound.Halt, true
	}
	return outbound.Fail, true
}

// personal matches what may be a phone number, the digits of a BSUID or a message id, which contains a phone number.
var personal = regexp.MustCompile(`wamid\.\S+|\+?[0-9](?:[\s().\-]{0,2}[0-9]){5,}`)

const maxTitle = 200

// scrub makes a text of Meta's fit for errors and reports: without its "(#code)", numbers and message ids, on one line.
func scrub(text string) string {
	if strings.HasPrefix(text, "(#") {
		if _, rest, ok := strings.Cut(text, ")"); ok {
			text = rest
		}
	}
	text = strings.Join(strings.Fields(personal.ReplaceAllString(text, "…")), " ")
	if runes := []rune(text); len(runes) > maxTitle {
		text = string(runes[:maxTitle])
	}
	return text
}
