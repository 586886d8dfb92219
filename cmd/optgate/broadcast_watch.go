package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/shard"
)

type broadcastWatchCommand struct {
	broadcastArgument
	FailOnPause bool `help:"End with exit code 1 when the broadcast is paused."`
	gatewayFlags
	outputFlags
}

// againAfter is how long a watcher waits before it asks again, unless the gateway says otherwise.
const againAfter = 2 * time.Second

// progress is what the gateway tells of a broadcast that is watched.
type progress struct {
	sentBroadcast
	Rate float64 `json:"rate"`
	Left *int    `json:"seconds_left"`
}

// Run follows a broadcast to its end, through restarts of the gateway: with a bar for a person, with a line for each change
// otherwise. It fails where the broadcast was cancelled, and with --fail-on-pause where it is paused.
func (c *broadcastWatchCommand) Run(ctx context.Context, t terminal) error {
	v := viewer{to: t, asJSON: c.Output == "json", failOnPause: c.FailOnPause}
	defer v.clear()
	in := eventStream{retry: againAfter}
	for away := false; ; {
		done, err := c.follow(ctx, &in, func(p progress, raw []byte) (bool, error) {
			away = false
			return v.show(p, raw)
		})
		var said *refused
		switch {
		case ctx.Err() != nil:
			return nil // told to stop
		case done || errors.Is(err, errPaused) || errors.Is(err, errCancelled):
			return err
		case errors.As(err, &said) && said.Status < 500 && said.Status != http.StatusTooManyRequests:
			return err
		case errors.As(err, new(usageError)):
			return err
		case err != nil && !away:
			away = true
			v.clear()
			_, _ = fmt.Fprintf(t.err, "%v; asking again\n", err)
		}
		if !shard.Sleep(ctx, in.retry) {
			return nil
		}
	}
}

// follow reads one stream of events. done says that the broadcast is over; no error and not done: the stream ended before it.
func (c *broadcastWatchCommand) follow(ctx context.Context, in *eventStream, show func(progress, []byte) (bool, error)) (done bool, err error) {
	request, err := c.client().request(ctx, http.MethodGet, c.path()+"/events", nil, nil)
	if err != nil {
		return false, err
	}
	if in.last != "" {
		request.Header.Set("Last-Event-ID", in.last)
	}
	stream, err := c.client().do(request)
	if err != nil {
		return false, err
	}
	defer stream.Close() //nolint:errcheck // it was read
	err = in.read(stream, func(data []byte) error {
		var p progress
		if err := json.Unmarshal(data, &p); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		over, err := show(p, data)
		if done = over; over && err == nil {
			return io.EOF
		}
		return err
	})
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return done, err
}

// eventStream is what is known of a stream of events (text/event-stream), also when it is asked for again.
type eventStream struct {
	last  string        // id of the last event
	retry time.Duration // to wait before it is asked for again
}

// read gives the data of each event. What stands after the last empty line is no whole event.
func (e *eventStream) read(stream io.Reader, each func(data []byte) error) error {
	var data []byte
	id := e.last
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "" && data != nil:
			e.last = id
			if err := each(data); err != nil {
				return err
			}
			data = nil
		case name == "retry":
			if ms, err := strconv.Atoi(value); err == nil && ms > 0 && ms <= 60_000 {
				e.retry = time.Duration(ms) * time.Millisecond
			}
		case name == "id":
			id = value
		case name == "data" && data == nil:
			data = []byte(value)
		case name == "data":
			data = append(append(data, '\n'), value...)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the stream broke off: %w", err)
	}
	return nil
}

var (
	errPaused    = errors.New("the broadcast is paused")
	errCancelled = errors.New("the broadcast was cancelled")
)

// viewer shows how a broadcast gets on.
type viewer struct {
	to                  terminal
	asJSON, failOnPause bool
	bar                 *progressbar.ProgressBar
	status              broadcast.Status
}

// show shows one event; over says that it was the last.
func (v *viewer) show(p progress, raw []byte) (over bool, err error) {
	moved := p.Status != v.status
	v.status = p.Status
	switch {
	case v.asJSON:
		v.to.printf("%s\n", raw)
	case p.over():
		v.clear()
		v.to.printf("%s\n", p.sentBroadcast)
	case (terminal{out: v.to.err}).shows():
		v.draw(p, moved)
	default:
		_, _ = fmt.Fprintf(v.to.err, "%s%s\n", p.sentBroadcast, p.pace())
	}
	switch {
	case p.over() && p.Status == broadcast.Cancelled:
		return true, errCancelled
	case p.Status == broadcast.Paused && v.failOnPause:
		return true, fmt.Errorf("%w: %s", errPaused, p.reason())
	}
	return p.over(), nil
}

// over says that nothing more is to come: a broadcast that was cancelled may have rows that wait to be given up.
func (p progress) over() bool { return p.Status.Over() && p.Totals.Queued == 0 }

// draw moves the bar on.
func (v *viewer) draw(p progress, moved bool) {
	if moved && p.Pause != nil {
		v.clear()
		_, _ = fmt.Fprintf(v.to.err, "paused: %s\n", p.reason())
	}
	if v.bar == nil || v.bar.GetMax() != p.Totals.Audience {
		v.clear()
		v.bar = progressbar.NewOptions(max(p.Totals.Audience, 1), progressbar.OptionSetWriter(v.to.err), progressbar.OptionFullWidth(),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
	}
	t := p.Totals
	v.bar.Describe(fmt.Sprintf("%s: sent %d, skipped %d, failed %d%s", p.Status, t.Sent+t.Delivered+t.Read, t.Skipped, t.Failed+t.Unknown, p.pace()))
	_ = v.bar.Set(min(t.Audience-t.Queued, v.bar.GetMax()-1)) // the end is told by the last event
}

func (v *viewer) clear() {
	if v.bar != nil {
		_ = v.bar.Clear()
		v.bar = nil
	}
}

func (p progress) reason() string {
	if p.Pause == nil {
		return "nobody says why"
	}
	return plain(p.Pause.Reason)
}

// pace is how fast it goes and how long that takes; "" where nothing moves.
func (p progress) pace() string {
	if p.Rate == 0 {
		return ""
	}
	said := fmt.Sprintf(", %.0f/s", p.Rate)
	if p.Left != nil {
		said += fmt.Sprintf(", %s left", time.Duration(*p.Left)*time.Second)
	}
	return said
}
