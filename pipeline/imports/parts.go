package imports

import (
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/fnv"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// Limits of a part. A part is decided at once, and whoever types STOP meanwhile waits for that: this many are some
// hundredths of a second. They also keep it far below the largest command, and what it causes below the largest decision.
const (
	partRows  = 250
	partBytes = 128 << 10
)

// part is people of one shard, with their opt-outs.
type part struct {
	number int
	shard  int
	edits  []optout.PersonEdit
	size   int // bytes of the command, at most
	sum    hash.Hash64
}

// cutter cuts a file into parts. The same file is cut into the same parts each time.
type cutter struct {
	shards chat.Shards
	id     string
	terms  Terms
	feed   bool
	open   []*part // by shard
	next   int     // number of a part
}

func newCutter(shards chat.Shards, id string, terms Terms, feed bool) *cutter {
	return &cutter{shards: shards, id: id, terms: terms, feed: feed, open: make([]*part, shards)}
}

// add puts an entry into the part of its shard, and gives that part once it is full.
func (c *cutter) add(e entry) *part {
	at := c.shards.Of(e.who.P)
	p := c.open[at]
	if p == nil {
		p = &part{shard: at, sum: fnv.New64a()}
		c.open[at] = p
	}
	p.edits = append(p.edits, optout.PersonEdit{
		Who: e.who, Out: true, Marks: []optout.Mark{c.terms.mark(e.channel, e.at, c.id, c.feed)},
	})
	p.size += 220 + len(c.id) + len(c.terms.List) + len(e.channel) + 6*len(e.who.ID) // JSON writes some bytes as six
	p.note(e)
	if len(p.edits) < partRows && p.size < partBytes {
		return nil
	}
	return c.close(at)
}

// close gives what a shard's part has so far; nil: nothing.
func (c *cutter) close(at int) *part {
	p := c.open[at]
	if p == nil {
		return nil
	}
	c.open[at] = nil
	p.number = c.next
	c.next++
	return p
}

// note makes an entry part of the digest.
func (p *part) note(e entry) {
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:8], uint64(e.who.P))
	binary.BigEndian.PutUint64(numbers[8:], uint64(e.at))
	_, _ = p.sum.Write(numbers[:])
	_, _ = p.sum.Write([]byte(e.channel))
}

// digest tells the part from one that says something else.
func (p *part) digest() string { return hex.EncodeToString(p.sum.Sum(nil)) }

// edit is the body of the part's command.
func (p *part) edit(id string) optout.Edit {
	return optout.Edit{Edits: p.edits, Import: id, Part: p.number, Digest: p.digest()}
}
