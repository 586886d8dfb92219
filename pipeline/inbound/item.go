package inbound

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// item is one record of inbound on its way through the handler.
type item struct {
	record   stream.Record
	received time.Time
	in       chat.Inbound
	channel  chat.Channel // zero where none is declared, or the item names none
	at       time.Time    // when it was said
	salvaged bool         // in is Salvage's
	known    *knowledge   // of the channel's account; nil where there is none
	who      []optout.Ref // in's Who, then its Before

	reason string // why it goes to dead; "" if it doesn't
	alarm  bool   // a message of a declared channel may be lost with it
	err    error  // the cause, without anything personal

	blocked bool // it is a person's whom the account has blocked: only a STOP, receipts and links count

	near      string   // a text that nobody hears and that nearly is a stop word
	nearLists []string // of those

	// What is done about it.
	change   string // out, in; "" for nothing
	lists    []string
	linked   bool
	reported bool
}

// The reasons for a dead letter.
const (
	reasonUnreadable     = "unreadable"
	reasonUnknownChannel = "unknown_channel"
	reasonHandler        = "handler_failed"
)

// understand decodes a record and finds its channel. If that panics, the item goes to dead.
func (h *Handler) understand(r stream.Record) (it item) {
	it = item{record: r, received: receivedAt(r), in: chat.Inbound{Kind: chat.KindUnknown}}
	defer func() {
		if p := recover(); p != nil {
			it.salvaged, it.channel = false, chat.Channel{}
			it.fail(reasonHandler, panicked(p))
		}
	}()
	h.read(&it)
	it.at = said(it.in.At, it.received)
	if it.reason != "" && !it.salvaged {
		return it
	}
	if it.in.NumberID == "" && (it.in.Kind == chat.KindUnknown || it.in.Notice != nil || it.salvaged) {
		it.salvaged = false
		return it // it concerns no number, as changes of a template do
	}
	var declared bool
	if it.channel, declared = h.Directory.ByNumber(it.in.Platform, it.in.NumberID); !declared {
		it.reason, it.alarm, it.salvaged = reasonUnknownChannel, false, false
	}
	return it
}

// read decodes the record, or salvages what can be.
func (h *Handler) read(it *item) {
	in, err := guarded(it.record.Value, h.Decode)
	if err == nil {
		it.in = in
		return
	}
	it.fail(reasonUnreadable, err)
	in, err = guarded(it.record.Value, func(value []byte) (chat.Inbound, error) {
		if in, ok := h.Salvage(value); ok {
			return in, nil
		}
		return chat.Inbound{}, errNothingThere
	})
	if err == nil {
		it.in, it.salvaged = in, true
	}
}

var errNothingThere = errors.New("no sender or no words")

// guarded turns a panic into an error.
func guarded(value []byte, decode func([]byte) (chat.Inbound, error)) (in chat.Inbound, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return decode(value)
}

// panicked makes an error with the stack of what was recovered. Its text is left out unless it is the runtime's own: it
// may be personal.
func panicked(p any) error {
	var text string
	if err, ok := p.(runtime.Error); ok {
		text = err.Error()
	}
	return fmt.Errorf("panic of %T %s\n%s", p, text, debug.Stack())
}

// fail marks the item for dead. It is an alarm where the bytes look as if they held a message.
func (it *item) fail(reason string, err error) {
	it.reason, it.err = reason, err
	it.alarm = it.in.Kind == chat.KindMessage || bytes.Contains(it.record.Value, []byte(`"messages"`)) || bytes.Contains(it.record.Value, []byte(`"messaging"`))
}

// letter is the item as dead holds it: the bytes as they came. Header holds says "message" where one may be lost with it.
func (it *item) letter() *stream.Record {
	source := fmt.Sprintf("%s/%d/%d", stream.Inbound, it.record.Partition, it.record.Offset)
	r := &stream.Record{
		Topic: stream.Dead, Partition: stream.AnyPartition, Key: []byte(stream.Inbound), Value: it.record.Value,
		Headers: []stream.Header{
			{Key: "v", Value: strconv.Itoa(stream.Version)}, {Key: "source", Value: source}, {Key: "reason", Value: it.reason},
			{Key: "received_at", Value: strconv.FormatInt(it.received.UnixMilli(), 10)}, {Key: "app", Value: it.record.Header("app")},
		},
	}
	if it.alarm {
		r.Headers = append(r.Headers, stream.Header{Key: "holds", Value: "message"})
	}
	return r
}

// receivedAt gives when ingress took the record.
func receivedAt(r stream.Record) time.Time {
	if ms, err := strconv.ParseInt(r.Header("received_at"), 10, 64); err == nil && ms > 0 {
		return time.UnixMilli(ms).UTC()
	}
	return r.Time.UTC()
}

// earliest is before WhatsApp began: an older time is nonsense.
var earliest = time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC)

// said gives the time that decides: the item's own, never later than it was received; that of receipt where the item has
// none or nonsense.
func said(at, received time.Time) time.Time {
	if at.Before(earliest) || at.After(received) {
		return received
	}
	return at
}
