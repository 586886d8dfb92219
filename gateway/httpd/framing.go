package httpd

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// ambiguous says that a header tells the length of its body in two ways, or in one that is no longer spoken. Whoever passed
// the request on may have believed the other one, and then what is a body to them is a request to us (RFC 9112, section 6.3).
func ambiguous(h *fasthttp.RequestHeader) bool {
	if h.ContentLength() == -1 { // chunked
		return has(h.RawHeaders(), "content-length")
	}
	return has(h.RawHeaders(), "transfer-encoding")
}

// has looks for a line that begins with a name, which is in lower case. fasthttp has refused names that don't end at the colon.
func has(lines []byte, name string) bool {
	for len(lines) > len(name) {
		if lines[0]|0x20 == name[0] && lines[len(name)] == ':' && bytes.EqualFold(lines[:len(name)], []byte(name)) {
			return true
		}
		end := bytes.IndexByte(lines, '\n')
		if end < 0 {
			return false
		}
		lines = lines[end+1:]
	}
	return false
}
