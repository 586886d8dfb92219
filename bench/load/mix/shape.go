package mix

import (
	"bytes"
	"fmt"
	"strconv"
)

// Marks in testdata. What stands there is of the width of what takes its place, so that a webhook is patched where it lies.
const (
	markID     = "################" // digits of the webhook's number: no message id comes twice
	markPerson = "%%%%%%%"          // digits of the sender: another one for each of ten million webhooks in a row
	markTime   = "^^^^^^^^^^"       // seconds since 1970
)

// shape is a kind of webhook as a whole HTTP request, with the places that differ from one to the next.
type shape struct {
	request   []byte
	body      int // where it begins
	signature int // where its 64 hexadecimal digits begin
	ids       []int
	people    []int
	items     int
	stops     int
}

func newShape(body []byte, o Options) *shape {
	body = bytes.ReplaceAll(body, []byte(markTime), strconv.AppendInt(nil, o.Now.Unix(), 10))
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: optgate-load\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nX-Hub-Signature-256: sha256=", o.Path, o.Host, len(body))
	s := &shape{signature: len(head), body: len(head) + 64 + 4}
	s.request = append([]byte(head), bytes.Repeat([]byte{'0'}, 64)...)
	s.request = append(s.request, "\r\n\r\n"...)
	s.request = append(s.request, body...)
	s.ids, s.people = places(s.request, markID), places(s.request, markPerson)
	s.items = len(s.ids)
	s.stops = bytes.Count(body, []byte(`{"body":"STOP"}`))
	return s
}

// places gives where a mark stands.
func places(text []byte, mark string) (at []int) {
	for from := 0; ; {
		i := bytes.Index(text[from:], []byte(mark))
		if i < 0 {
			return at
		}
		at = append(at, from+i)
		from += i + len(mark)
	}
}

// scatter is prime to ten million, so that it maps numbers to people one to one, and neighbours far apart.
const scatter = 7_368_787

// person appends the seven digits of webhook n's sender.
func person(to []byte, n uint64) []byte { return digits(to, n%1e7*scatter%1e7, len(markPerson)) }

// digits appends a number with zeros before it.
func digits(to []byte, n uint64, width int) []byte {
	end := len(to) + width
	to = append(to, "0000000000000000"[:width]...)
	for i := end - 1; i >= end-width; i-- {
		to[i] = byte('0' + n%10)
		n /= 10
	}
	return to
}
