package outbound

import (
	"container/heap"
	"container/list"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// state says where a message stands in its lane.
type state uint8

const (
	waiting state = iota // for a time, or for its channel to be declared
	ready                // in its channel's queue
	picked               // for this turn
	calling
	closed // it has its fact, but is not done
)

// item is a message that is not done.
type item struct {
	chat.Outbound
	offset   int64
	key      string
	attempt  int  // intents of it in the log
	intended bool // the last of them is open: nobody but this lane knows whether it was called
	state    state
	until    time.Time
	good     time.Time // until when the gate's answer is
	queue    *queue    // nil: the channel is not declared, or this is no message to send
	flow     *flow     // where ready
	place    *list.Element
	at       time.Time // when its timer fires: to make it ready, or expired
	timer    int       // index among the timers; -1: none
	settled  bool      // its done mark is in the log, or on its way

	template bool          // see counts
	opens    bool          // it reaches the person outside of a service window
	seat     channel.Place // the person's, where mark is not ""
	mark     string        // of the memory that counts them
	loose    bool          // they are still to be counted, when the intent is in the log
}

var errNoMessage = errors.New("not a message to send")

// decode reads a record of the outbound topics.
func decode(rec stream.Record) (*item, error) {
	it := &item{offset: rec.Offset, timer: -1}
	if err := json.Unmarshal(rec.Value, &it.Outbound); err != nil {
		return nil, errNoMessage
	}
	switch {
	case it.V > stream.Version:
		return nil, fmt.Errorf("message at %d: version %d: %w", rec.Offset, it.V, stream.ErrVersion)
	case it.V < 1 || it.ID == "" || it.Account == "" || it.Channel == "" || it.Row < 0 || it.Pseudonym < 0:
		return nil, errNoMessage
	}
	it.key = keyOf(it.Account, it.ID)
	it.until = time.UnixMilli(it.Until)
	it.template = counts(it.Outbound)
	return it, nil
}

// keyOf names a message among those of all accounts.
func keyOf(account, id string) string { return account + "/" + id }

// timers are a lane's waiting and ready messages, the one whose time comes first at the front.
type timers []*item

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].timer, t[j].timer = i, j
}

// Push is for package heap.
func (t *timers) Push(x any) {
	it := x.(*item)
	it.timer = len(*t)
	*t = append(*t, it)
}

// Pop is for package heap.
func (t *timers) Pop() any {
	last := len(*t) - 1
	it := (*t)[last]
	(*t)[last], *t = nil, (*t)[:last]
	it.timer = -1
	return it
}

// set lets a message's timer fire at a time, but not after its validity has ended.
func (t *timers) set(it *item, at time.Time) {
	if it.at = at; it.until.Before(at) {
		it.at = it.until
	}
	if it.timer < 0 {
		heap.Push(t, it)
	} else {
		heap.Fix(t, it.timer)
	}
}

// stop takes a message's timer away.
func (t *timers) stop(it *item) {
	if it.timer >= 0 {
		heap.Remove(t, it.timer)
	}
}
