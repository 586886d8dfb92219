package ingress_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta"
)

// talk sends text on a connection of its own.
func (d door) talk(t *testing.T, text string) *bufio.Reader {
	t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(4 * time.Second)); err != nil { // less than the server waits for a body
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(c)
}

func TestRefusedBeforeTheBodyIsRead(t *testing.T) {
	good := "X-Hub-Signature-256: " + meta.Sign([]byte(secret), []byte(greeting)) + "\r\n"
	for name, f := range map[string]struct {
		path, header string
		status       int
		counted      string
	}{
		"no signature":            {"/webhooks/meta", "Content-Length: 500\r\n", 401, "unsigned"},
		"no signature, in chunks": {"/webhooks/meta", "Transfer-Encoding: chunked\r\n", 401, "unsigned"},
		"no signature, escaped":   {"/webhooks/%6deta?x=1", "Content-Length: 500\r\n", 401, "unsigned"},
		"no signature, waiting":   {"/webhooks/meta", "Content-Length: 500\r\nExpect: 100-continue\r\n", 401, "unsigned"},
		"cut off":                 {"/webhooks/meta", "X-Hub-Signature-256: sha256=00\r\nContent-Length: 500\r\n", 401, "unsigned"},
		"SHA-1":                   {"/webhooks/meta", "X-Hub-Signature: sha1=00\r\nContent-Length: 500\r\n", 401, "unsigned"},
		"too large":               {"/webhooks/meta", good + "Content-Length: 3145729\r\n", 413, "too_large"},
		"too large and unsigned":  {"/webhooks/meta/main", "Content-Length: 99999999999\r\n", 413, "too_large"},
		"unknown app":             {"/webhooks/meta/nobody", good + "Content-Length: 500\r\n", 404, "unknown_app"},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, nil)
			from := d.talk(t, "POST "+f.path+" HTTP/1.1\r\nHost: x\r\n"+f.header+"\r\n")
			resp, err := http.ReadResponse(from, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != f.status || !resp.Close || d.counts.get(f.counted) != 1 || len(d.counts.of) != 1 {
				t.Errorf("%s, close %v, counted %v", resp.Status, resp.Close, d.counts.of)
			}
			if rest, err := io.ReadAll(from); err != nil || len(rest) > 0 {
				t.Errorf("the connection goes on: %q %v", rest, err)
			}
		})
	}
}

func TestPipelinedWebhooksAreAllKept(t *testing.T) {
	d := open(t, nil)
	one := fmt.Sprintf("POST /webhooks/meta HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n%s",
		meta.Sign([]byte(secret), []byte(greeting)), len(greeting), greeting)
	from := d.talk(t, strings.Repeat(one, 10))
	for n := range 10 {
		resp, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 {
			t.Errorf("%d: %s", n, resp.Status)
		}
	}
	kept := d.log.records()
	for _, r := range kept {
		if string(r.Value) != greeting {
			t.Errorf("kept %q", r.Value)
		}
	}
	if len(kept) != 10 {
		t.Errorf("%d kept", len(kept))
	}
}

func TestBodyThatBreaksOffIsNotKept(t *testing.T) {
	d := open(t, nil)
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	half := fmt.Sprintf("POST /webhooks/meta HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s",
		meta.Sign([]byte(secret), []byte(greeting)), len(greeting), greeting[:100])
	if _, err := io.WriteString(c, half); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil { //nolint:forcetypeassert // dialled as tcp
		t.Fatal(err)
	}
	if said, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 400") {
		t.Errorf("%q %v", said, err)
	}
	if d.counts.get("broken") != 1 || len(d.log.records()) > 0 {
		t.Errorf("counted %v, kept %d", d.counts.of, len(d.log.records()))
	}
}
