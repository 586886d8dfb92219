package offer

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
)

// kind is why a webhook had no answer.
type kind string

const (
	none     kind = ""        // nothing failed
	timedOut kind = "timeout" // no answer in time
	refused  kind = "refused" // nobody listens
	reset    kind = "reset"   // the server broke the connection off
	closed   kind = "closed"  // the server closed the connection instead of an answer
	garbled  kind = "garbled" // what came is no answer
	unsent   kind = "unsent"  // no connection was free in time
	other    kind = "other"
)

func kindOf(err error) kind {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return closed
	case errors.Is(err, errGarbled):
		return garbled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return timedOut
	}
	return other
}
