package httpd

import (
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// TestWhoHasJustBegunToAskIsNotHungUpOn: a connection that was quiet for long makes room until its next request's first byte is
// here, and not from then on; nor does one that has just been answered.
func TestWhoHasJustBegunToAskIsNotHungUpOn(t *testing.T) {
	s := &Server{options: Options{Connections: 64}}
	s.listener = newListener(nil, s)
	s.listener.began = time.Now().Add(-time.Hour)
	for name, begin := range map[string]struct {
		was phase
		to  fasthttp.ConnState
	}{"asked": {quiet, fasthttp.StateActive}, "answered": {busy, fasthttp.StateIdle}} {
		c := &conn{TCPConn: &net.TCPConn{}, listener: s.listener}
		c.phase.Store(int32(begin.was))
		s.listener.keep(c)
		s.turned(c, begin.to)
		if n := s.listener.makeRoom(time.Second); n > 0 {
			t.Errorf("who has just %s is hung up on", name)
		}
		s.listener.forget(c)
	}
}
