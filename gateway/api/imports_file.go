package api

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"optgate/gateway/httpd"
	"optgate/pipeline/fault"
)

const (
	importBody   = 1 << 30 // bytes of a file, before and after unpacking
	importsAll   = 4       // that are read at once by this process
	importsOfOne = 2       // of them, of one account
)

// importing counts the files that are being read, so that they take neither all memory nor all owners.
type importing struct {
	most  int // that are read at once by this process
	ofOne int // of them, of one account

	mu  sync.Mutex
	all int
	of  map[string]int // accounts
}

// begin lets a file in, until done.
func (n *importing) begin(account string) (done func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all >= n.most || n.of[account] >= n.ofOne {
		return nil, fault.New(fault.Unavailable, "busy", "Other files are being read: come back when one has ended.")
	}
	if n.of == nil {
		n.of = map[string]int{}
	}
	n.all, n.of[account] = n.all+1, n.of[account]+1
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.all, n.of[account] = n.all-1, n.of[account]-1; n.of[account] == 0 {
			delete(n.of, account)
		}
	}, nil
}

// upload is a file on its way.
type upload struct {
	io.Reader

	body *httpd.BodyStream
}

// Context gives one that ends when the server begins to stop.
func (u upload) Context(otherwise context.Context) (context.Context, func()) {
	return u.body.Context(otherwise)
}

// file gives the call's body as a file that is read as it arrives, unpacked.
func (c *call) file() (upload, error) {
	body, err := httpd.Body(c.rc, importBody)
	if err != nil {
		return upload{}, err
	}
	switch encoding := strings.ToLower(c.header("Content-Encoding")); encoding {
	case "", "identity":
		return upload{body, body}, nil
	case "gzip", "x-gzip":
		return upload{&unpacked{packed: body, left: importBody}, body}, nil
	}
	return upload{}, fault.New(fault.Unprocessable, "unknown_encoding", "Content-Encoding is gzip or missing.")
}

// unpacked reads a file that was packed, as far as a file may go.
type unpacked struct {
	packed io.Reader
	gzip   *gzip.Reader
	left   int
}

// Read unpacks.
func (u *unpacked) Read(p []byte) (n int, err error) {
	if u.gzip == nil {
		u.gzip, err = gzip.NewReader(u.packed)
	}
	if err == nil {
		n, err = u.gzip.Read(p)
	}
	if u.left -= n; u.left < 0 {
		return 0, fault.New(fault.TooLarge, "too_large", "The unpacked file is over the limit of %d bytes.", importBody)
	}
	if _, told := errors.AsType[*fault.Error](err); err != nil && !errors.Is(err, io.EOF) && !told {
		return n, fault.Wrap(err, fault.Unprocessable, "bad_gzip", "The body is no whole gzip, as its Content-Encoding says it is.")
	}
	return n, err
}
