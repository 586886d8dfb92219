package stream

import "time"

// The types of what stands in events, consent and outcomes, as CloudEvents name them. The number at the end is raised where a
// consumer of the one before could misread the value.
const (
	TypeItem      = "optgate.item.v1"      // events: an item of a webhook and what was done about it
	TypeOptout    = "optgate.optout.v1"    // events: somebody opted out
	TypeOptin     = "optgate.optin.v1"     // events: somebody opted in again
	TypeConsent   = "optgate.consent.v1"   // consent: a row of the ledger
	TypeBroadcast = "optgate.broadcast.v1" // events: a broadcast has begun, was paused, goes on or has ended
	TypeOutcome   = "optgate.outcome.v1"   // outcomes: what became of a message
	TypeArchive   = "optgate.archive.v1"   // outcomes: rows of a broadcast that is long over
)

// Headers of CloudEvents 1.0 in Kafka's binary mode: the value is the event's data, and what a consumer routes by stands in
// headers.
const (
	HeaderSpecVersion = "ce_specversion"
	HeaderID          = "ce_id"
	HeaderSource      = "ce_source"
	HeaderType        = "ce_type"
	HeaderTime        = "ce_time"
	HeaderContentType = "content-type"
)

// Sources of events: an account's id after the prefix, or that of what concerns no account.
const (
	sourcePrefix = "/accounts/"
	noAccount    = "/"
)

// CloudEvent gives the headers of an event of an account ("": of none): what it is of the types above, its id, which is the
// same in every repeat of the same event and shows nobody, and when it happened, in ms since 1970. The slice has room for three more.
func CloudEvent(kind, account, id string, at int64) []Header {
	var room [128]byte // every item of a webhook comes by: source and time share one allocation
	written := append(append(room[:0], sourcePrefix...), account...)
	n := len(written)
	text := string(time.UnixMilli(at).UTC().AppendFormat(written, "2006-01-02T15:04:05.000Z07:00"))
	source, moment := text[:n], text[n:]
	if account == "" {
		source = noAccount
	}
	return append(make([]Header, 0, 9),
		Header{HeaderSpecVersion, "1.0"}, Header{HeaderType, kind}, Header{HeaderSource, source}, Header{HeaderID, id},
		Header{HeaderTime, moment}, Header{HeaderContentType, "application/json"})
}
