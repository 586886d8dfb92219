package app_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// state of a cable.
type state int

const (
	whole  state = iota
	cut          // connections break, and new ones find nobody
	silent       // nothing that is sent arrives, until it is whole again
)

// cable lies between the gateway and a server.
type cable struct {
	net.Listener // where the gateway plugs in

	mu    sync.Mutex
	is    state
	heard chan struct{} // closed unless silent
	conns map[net.Conn]bool
}

func newCable(listener net.Listener) *cable {
	c := &cable{Listener: listener, heard: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(c.heard)
	return c
}

// set cuts the cable, silences it, or makes it whole again.
func (c *cable) set(to state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is == silent {
		close(c.heard)
	}
	switch c.is = to; to {
	case cut:
		for conn := range c.conns {
			conn.Close()
		}
		clear(c.conns)
	case silent:
		c.heard = make(chan struct{})
	}
}

// plug is a connection through a cable, at the server's end.
type plug struct {
	net.Conn
	cable *cable
}

// Read waits while the cable is silent, also with what had come before.
func (p plug) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.cable.mu.Lock()
	heard := p.cable.heard
	p.cable.mu.Unlock()
	<-heard
	return n, err
}

// Accept gives the next connection that finds the cable whole.
func (c *cable) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c.keep(conn) {
			return plug{conn, c}, nil
		}
		conn.Close()
	}
}

func (c *cable) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is != cut {
		c.conns[conn] = true
	}
	return c.is != cut
}

// extend lays a cable to a server that listens elsewhere.
func extend(t *testing.T, server string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCable(listener)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := c.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				near.Close()
				continue
			}
			running.Go(func() { pipe(near, far) })
			running.Go(func() { pipe(far, near) })
		}
	})
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		c.set(cut)
		running.Wait()
	})
	return c
}

func pipe(from, to net.Conn) {
	io.Copy(to, from)
	from.Close()
	to.Close()
}
