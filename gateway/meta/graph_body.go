package meta

import (
	"bytes"
	"io"
	"sync/atomic"
	"time"

	"optgate/pipeline/outbound"
)

// body is a request's body that is written only while the gate's answer is good, and that knows whether any of it was.
// The transport may begin to read it even after RoundTrip has returned an error; whoever wants to know for sure that
// nothing of it leaves must spoil it.
type body struct {
	rest  bytes.Reader
	good  time.Time
	state atomic.Int32
}

// The states of a body. It begins whole, and becomes one of the others once.
const (
	whole   int32 = iota
	begun         // the first bytes were handed to the connection: from here on nobody knows
	spoiled       // not a byte was handed out, and none will be
)

func newBody(payload []byte, good time.Time) *body {
	b := &body{good: good}
	b.rest.Reset(payload)
	return b
}

// Read hands the bytes to the connection, unless the first of them would come too late.
func (b *body) Read(p []byte) (int, error) {
	if b.state.Load() == whole {
		if time.Now().After(b.good) {
			b.spoil()
		}
		b.state.CompareAndSwap(whole, begun)
	}
	if b.state.Load() == spoiled {
		return 0, outbound.ErrStale
	}
	return b.rest.Read(p)
}

// Close does nothing: there is nothing to give back.
func (b *body) Close() error { return nil }

// spoil makes sure that nothing is handed out; false if something was already.
func (b *body) spoil() bool { return b.state.CompareAndSwap(whole, spoiled) }

// failed tells what a failure of the round trip means for the message.
func (b *body) failed(err error) error {
	switch {
	case b.state.Load() == spoiled:
		return outbound.ErrStale
	case b.spoil():
		return notSent(err)
	}
	return clean(err)
}

var _ io.ReadCloser = (*body)(nil)
