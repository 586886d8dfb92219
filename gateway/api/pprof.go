package api

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"

	"optgate/pipeline/fault"
)

// Longest and usual time of a profile over time, in seconds.
const (
	profileMost  = 120.0
	profileUsual = 10.0
)

// profile answers GET /debug/pprof/{profile}?seconds=: profile (of the CPU) and trace over some seconds; heap, allocs,
// goroutine and threadcreate as they are, for go tool pprof, or for people with ?text=true. It is there only where the
// configuration says so, and for operators alone: a profile shows how the program works and slows it down a little.
func (a *API) profile(c *call) error {
	switch name := c.param("profile"); name {
	case "profile":
		return c.record(pprof.StartCPUProfile, pprof.StopCPUProfile)
	case "trace":
		return c.record(trace.Start, trace.Stop)
	case "heap", "allocs", "goroutine", "threadcreate":
		return c.snapshot(pprof.Lookup(name))
	default:
		return fault.New(fault.NotFound, "unknown_profile", "There are profile, trace, heap, allocs, goroutine and threadcreate.")
	}
}

func (c *call) snapshot(p *pprof.Profile) error {
	text, err := c.flag("text")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	contentType, debug := "application/octet-stream", 0
	if text {
		contentType, debug = "text/plain; charset=utf-8", 1
	}
	if err := p.WriteTo(&out, debug); err != nil {
		return err
	}
	c.rc.SetContentType(contentType)
	c.rc.SetBody(out.Bytes())
	return nil
}

// record takes a profile for some seconds, or until the caller leaves or the server stops.
func (c *call) record(start func(w io.Writer) error, stop func()) error {
	seconds := profileUsual
	if text := c.query("seconds"); text != "" {
		var err error
		if seconds, err = strconv.ParseFloat(text, 64); err != nil || !(seconds > 0 && seconds <= profileMost) {
			return wrongField(fault.Invalid, "seconds", "out_of_range", "is a number of seconds, 120 at most")
		}
	}
	var out bytes.Buffer
	if err := start(&out); err != nil {
		return fault.Wrap(err, fault.Conflict, "profile_running", "One of this kind is being taken. Try again when it is done.")
	}
	return c.stream("application/octet-stream", func(ctx context.Context, w *bufio.Writer) error {
		over := time.NewTimer(time.Duration(seconds * float64(time.Second)))
		defer over.Stop()
		select {
		case <-over.C:
		case <-ctx.Done():
		}
		stop() // out is whole now
		_, err := w.Write(out.Bytes())
		return err
	})
}
