package mix

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// Kinds that are too large for testdata. Both are as Meta sends them at most: a webhook of 3 MiB, and one of 1,000 items.
const (
	Large    = "large"
	Thousand = "thousand"
)

const (
	largest = 3 << 20
	most    = 1000
)

// made gives the body of a kind that is made here; nil where it is none.
func made(name string) []byte {
	switch name {
	case Large:
		return large()
	case Thousand:
		return thousand()
	}
	return nil
}

const (
	envelope = `{"object":"whatsapp_business_account","entry":[{"id":"` + WABAID + `","changes":[{"value":{"messaging_product":"whatsapp",` +
		`"metadata":{"display_phone_number":"15550140001","phone_number_id":"` + PhoneNumberID + `"},`
	ending = `]},"field":"messages"}]}]}`
)

// large is one message of as many letters as fit, which don't repeat themselves.
func large() []byte {
	body := []byte(envelope + `"contacts":[{"profile":{"name":"Ada Example"},"wa_id":"4473` + markPerson + `0"}],"messages":[` +
		`{"from":"4473` + markPerson + `0","id":"wamid.TEFSR0VMVS` + markID + `","timestamp":"` + markTime + `","type":"text","text":{"body":"`)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	for len(body) < largest-len(`"}}`+ending) {
		body = append(body, "abcdefghijklmnopqrstuvwxyz      "[random.IntN(32)])
	}
	return append(body, `"}}`+ending...)
}

// thousand is as many messages, each by somebody else.
func thousand() []byte {
	var messages [][]byte
	for i := range most {
		messages = append(messages, fmt.Appendf(nil, `{"from":"4473%s%03d","id":"wamid.VEhPVVNBTl%s%03d","timestamp":"%s","type":"text",`+
			`"text":{"body":"Hi, is the blue one still in stock?"}}`, markPerson, i, markID, i, markTime))
	}
	body := append([]byte(envelope+`"messages":[`), bytes.Join(messages, []byte(","))...)
	return append(body, ending...)
}
