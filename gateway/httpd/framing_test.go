package httpd_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
)

// TestALengthToldTwiceIsRefused: whoever passed such a request on may have seen another request in its body.
func TestALengthToldTwiceIsRefused(t *testing.T) {
	for name, header := range map[string]string{
		"length first":      "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"coding first":      "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
		"in other letters":  "transfer-ENCODING: chunked\r\ncontent-LENGTH: 5\r\n",
		"length of nothing": "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
		"identity":          "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
		"two lengths":       "Content-Length: 5\r\nContent-Length: 6\r\n",
		"two codings":       "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
		"unknown coding":    "Transfer-Encoding: gzip, chunked\r\n",
		"padded":            "Content-Length : 5\r\nTransfer-Encoding: chunked\r\n",
		"folded":            "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			r := start(t, httpd.Options{Handler: func(context.Context, *fasthttp.RequestCtx) { calls.Add(1) }})
			c, from := r.dial(t)
			write(t, c, "POST / HTTP/1.1\r\nHost: x\r\n"+header+"\r\n0\r\n\r\nGET /inner HTTP/1.1\r\nHost: x\r\n\r\n")
			if resp, _ := answer(t, from); resp.StatusCode != 400 || !resp.Close {
				t.Errorf("%s, close %v", resp.Status, resp.Close)
			}
			closed(t, from)
			if calls.Load() > 0 {
				t.Errorf("%d requests were handled", calls.Load())
			}
		})
	}
}

// TestOtherHeadersOfAlikeNamesAreLeftAlone has what looks like a second length and is none.
func TestOtherHeadersOfAlikeNamesAreLeftAlone(t *testing.T) {
	r := start(t, httpd.Options{Handler: hello})
	for _, more := range []string{
		"X-Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
		"Content-Length-Of-Old: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"Te: trailers\r\nX-Note: transfer-encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
	} {
		c, from := r.dial(t)
		write(t, c, "POST / HTTP/1.1\r\nHost: x\r\n"+more)
		if resp, body := answer(t, from); resp.StatusCode != 200 || body != "POST hello" {
			t.Errorf("%q: %s %q", more, resp.Status, body)
		}
	}
}
