package crowd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// silent says nothing.
type silent struct{}

func (silent) live(c *Crowd, conn net.Conn, g *group) {
	stop := context.AfterFunc(c.leaves, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	hear(conn, g)
}

// hear reads what a server says to one who has asked nothing, or not all of it; true where only time has passed.
func hear(conn net.Conn, g *group) bool {
	var said [16]byte
	n, err := conn.Read(said[:])
	if n >= 12 && string(said[:9]) == "HTTP/1.1 " {
		if status, err := strconv.Atoi(string(said[9:12])); err == nil {
			g.answered(status, 0)
		}
	}
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// drip says something, and then a byte a second.
type drip struct {
	said  string
	first time.Duration // before the first byte, so that not all speak at once
}

func (d *drip) live(c *Crowd, conn net.Conn, g *group) {
	stop := context.AfterFunc(c.leaves, func() { _ = conn.Close() })
	defer stop()
	pause := d.first
	for say := d.said; ; say = "x" {
		if err := conn.SetDeadline(time.Now().Add(patient)); err != nil {
			return
		}
		if _, err := io.WriteString(conn, say); err != nil {
			return
		}
		if err := conn.SetReadDeadline(time.Now().Add(pause)); err != nil || !hear(conn, g) {
			return
		}
		pause = time.Second
	}
}

// sender sends one webhook after the other, and waits a second where it isn't kept.
type sender struct {
	request []byte
	items   int
}

func (s *sender) live(c *Crowd, conn net.Conn, g *group) {
	in := bufio.NewReader(conn)
	for c.leaves.Err() == nil {
		if conn.SetDeadline(time.Now().Add(patient)) != nil {
			return
		}
		status, closes := s.send(conn, in)
		if status == 0 {
			g.unsure()
			return
		}
		g.answered(status, s.items)
		if closes || status != http.StatusOK && !c.wait(again) {
			return
		}
	}
}

// send gives the status of the answer, 0 where none came. Who is refused may hear so while still speaking, and then speaks no
// more.
func (s *sender) send(conn net.Conn, in *bufio.Reader) (status int, closes bool) {
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(s.request)
		sent <- err
	}()
	answer, err := http.ReadResponse(in, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close() // it is read
		status, closes = answer.StatusCode, answer.Close
	}
	if err != nil || closes {
		_ = conn.Close() // ends the writing
	}
	return status, (<-sent) != nil || err != nil || closes
}
