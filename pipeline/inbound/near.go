package inbound

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// nears counts near misses until they are told to their account, so that a flood of one text is one command a second. They
// inform somebody and decide nothing: what was not told yet is lost with the process.
type nears struct {
	mu      sync.Mutex
	seen    recent // messages that were counted: Meta delivers some again
	waiting map[nearKey]optout.ListedNear
}

// nearKey is what is counted together.
type nearKey struct{ account, text, lists string }

// nearMost bounds the texts that wait to be told. Others are not counted meanwhile.
const nearMost = 1000

// note counts an item that is a near miss, unless its message was counted lately.
func (n *nears) note(it *item, now time.Time) {
	if it.near == "" {
		return
	}
	sum := sha256.Sum256([]byte(it.channel.Account + "/" + it.in.MessageID))
	message := tie(sum[:len(tie{})])
	if it.in.MessageID != "" {
		if n.seen.has(message, now) {
			return
		}
		n.seen.add(message, now)
	}
	k := nearKey{it.channel.Account, it.near, strings.Join(it.nearLists, "/")}
	at := it.at.UnixMilli()
	n.mu.Lock()
	defer n.mu.Unlock()
	m, known := n.waiting[k]
	switch {
	case !known && len(n.waiting) >= nearMost:
		return
	case !known:
		m = optout.ListedNear{NearMiss: optout.NearMiss{Text: it.near, First: at, Last: at}, Lists: it.nearLists}
	}
	m.Count, m.First, m.Last = m.Count+1, min(m.First, at), max(m.Last, at)
	if n.waiting == nil {
		n.waiting = map[nearKey]optout.ListedNear{}
	}
	n.waiting[k] = m
}

// toldNear is what one command tells.
type toldNear struct {
	account string
	optout.Near
}

// nearsAtOnce keeps a command far below the largest.
const nearsAtOnce = 100

// take gives what waits, the same lists' together, and waits no more for it.
func (n *nears) take() (told []toldNear) {
	n.mu.Lock()
	waiting := n.waiting
	n.waiting = nil
	n.mu.Unlock()
	var last nearKey
	for _, k := range slices.SortedFunc(maps.Keys(waiting), nearKey.compare) {
		if i := len(told) - 1; i >= 0 && last.account == k.account && last.lists == k.lists && len(told[i].Misses) < nearsAtOnce {
			told[i].Misses = append(told[i].Misses, waiting[k])
			continue
		}
		told, last = append(told, toldNear{k.account, optout.Near{Misses: []optout.ListedNear{waiting[k]}}}), k
	}
	return told
}

func (k nearKey) compare(other nearKey) int {
	return cmp.Or(strings.Compare(k.account, other.account), strings.Compare(k.lists, other.lists), strings.Compare(k.text, other.text))
}

const (
	tellNears = time.Second
	lastWords = 2 * time.Second // for what waits when the program ends
)

// TellNears tells accounts of near misses once a second, and of what is left when ctx ends.
func (h *Handler) TellNears(ctx context.Context) error {
	tick := time.NewTicker(tellNears)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.tellNears(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			defer cancel()
			h.tellNears(last)
			return nil
		}
	}
}

func (h *Handler) tellNears(ctx context.Context) {
	var records []*stream.Record
	for _, near := range h.nears.take() {
		r, err := near.Record(h.Shards, rand.Text(), near.account, h.Now().UnixMilli())
		if err != nil {
			h.Logger.Warn().Err(err).Msg("near misses were not counted")
			continue
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return
	}
	if err := h.Publisher.Publish(ctx, records...); err != nil {
		h.Logger.Warn().Err(err).Msg("near misses were not counted")
	}
}
