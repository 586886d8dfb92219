package offer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

func TestAnswersAreReadAsTheyCome(t *testing.T) {
	for text, want := range map[string]answer{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOKHTTP/1.1":                            {200, 40, false},
		"HTTP/1.1 503 Service Unavailable\r\ncontent-length:0\r\nConnection: close\r\n\r\n": {503, 73, true},
		"HTTP/1.1 204 No Content\r\n\r\n":                                                   {204, 27, false},
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOK":                                    {200, 0, false},
		"HTTP/1.1 200 OK\r\nContent-Le":                                                     {},
	} {
		if got, err := parse([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "\r\n\r\n",
	} {
		if got, err := parse([]byte(text)); !errors.Is(err, errGarbled) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// FuzzAnswer: what we take for an answer, net/http takes for the same.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"))
	f.Add([]byte("HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parse(text)
		if err != nil || got.size == 0 {
			return
		}
		if got.size > len(text) {
			t.Fatalf("%d of %d bytes", got.size, len(text))
		}
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text[:got.size])), nil)
		if err != nil || r.Header.Get("Transfer-Encoding") != "" || len(r.TransferEncoding) > 0 || len(r.Header["Content-Length"]) > 1 {
			return // stricter than we; a server that is measured says neither
		}
		body, err := io.ReadAll(r.Body)
		if err == nil && r.StatusCode != got.status {
			t.Errorf("%d of %d bytes, net/http reads %d with %d bytes", got.status, got.size, r.StatusCode, len(body))
		}
	})
}
