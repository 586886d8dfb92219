package store

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

// Rows are kept in three parts, so that a million of them stay small and a filter reads two bytes a row: what many rows share
// (status, error, list) stands once, as a class, in the tally with the number of its rows; each row's class stands in pieces;
// and what is a row's own (times, message id, reason) in baskets, which Redis keeps without an index of their own as long
// as each entry is short: what is longer goes on in a second one.
const (
	basketRows = 64  // rows of a basket
	entryBytes = 64  // of an entry of it: with longer ones Redis would keep a basket in twice the memory
	pieceRows  = 512 // rows of a piece
	classWidth = 2   // bytes of a row's class in a piece, big endian; 0: no fact
)

// Fields of a tally beside the classes, whose fields are numbers.
const (
	tallyUntil   = "until" // offset up to which the rows must be folded to be certain
	tallyVersion = "v"     // number of changes
	tallyHigh    = "high"  // the highest row with a fact
)

// class is what many rows of a broadcast share.
type class struct {
	status      chat.Status
	error, list string
}

// tally is the counts of a broadcast in memory.
type tally struct {
	version string
	high    int
	byID    map[int]broadcast.Count
	ids     map[class]int
	changed map[int]bool
}

// readTally reads what write wrote.
func readTally(fields map[string]string) (*tally, error) {
	t := &tally{version: "0", byID: map[int]broadcast.Count{}, ids: map[class]int{}, changed: map[int]bool{}}
	for field, value := range fields {
		switch field {
		case tallyUntil:
		case tallyVersion:
			t.version = value
		case tallyHigh:
			high, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("highest row: %w", err)
			}
			t.high = high
		default:
			id, err := strconv.Atoi(field)
			parts := strings.Split(value, "\n")
			if err != nil || len(parts) != 4 || id < 1 {
				return nil, errors.New("class of rows can't be read")
			}
			n, err := strconv.Atoi(parts[0])
			if err != nil {
				return nil, fmt.Errorf("number of rows: %w", err)
			}
			c := broadcast.Count{N: n, Status: chat.Status(parts[1]), Error: parts[2], List: parts[3]}
			t.byID[id], t.ids[class{c.Status, c.Error, c.List}] = c, id
		}
	}
	return t, nil
}

// id gives the number of an outcome's class; whole says that it has all of its error.
func (t *tally) id(o broadcast.Outcome) (id int, whole bool) {
	c := class{o.Status, o.Error, o.List}
	id, known := t.ids[c]
	if known {
		return id, true
	}
	if whole = len(t.ids) < broadcast.MaxCounts || o.Error == ""; !whole {
		c.error = broadcast.Others(o.Error)
		if id, known = t.ids[c]; known {
			return id, false
		}
	}
	id = len(t.ids) + 1
	t.ids[c], t.byID[id] = id, broadcast.Count{Status: c.status, Error: c.error, List: c.list}
	return id, whole
}

// move counts a row in another class than before; 0: in none.
func (t *tally) move(from, to int) {
	for id, by := range map[int]int{from: -1, to: 1} {
		if id != 0 && from != to {
			c := t.byID[id]
			c.N += by
			t.byID[id], t.changed[id] = c, true
		}
	}
}

// counts gives the classes that have rows.
func (t *tally) counts() (all []broadcast.Count) {
	for id := 1; id <= len(t.byID); id++ {
		if c := t.byID[id]; c.N > 0 {
			all = append(all, c)
		}
	}
	return all
}

func (t *tally) field(id int) string {
	c := t.byID[id]
	return strconv.Itoa(c.N) + "\n" + string(c.Status) + "\n" + c.Error + "\n" + c.List
}

// What a basket's entry holds, by the bits of its first byte.
const (
	hasSent = 1 << iota
	hasDelivered
	hasRead
	hasFailed
	packedID // the message id is "wamid." and base64, kept as bytes
	ownError // the class lacks its error
)

const wamid = "wamid."

// packRow writes what is a row's own: bits, time of its status, the other times as distances from it, the message id, the
// reason, and where whole is false the error.
func packRow(o broadcast.Outcome, whole bool) string {
	out := make([]byte, 1, 64)
	out = binary.AppendUvarint(out, uint64(o.At))
	for i, at := range []int64{o.Sent, o.Delivered, o.Read, o.Failed} {
		if at != 0 {
			out[0] |= 1 << i
			out = binary.AppendVarint(out, at-o.At)
		}
	}
	id := []byte(o.MessageID)
	if inner, ok := strings.CutPrefix(o.MessageID, wamid); ok {
		if raw, err := base64.StdEncoding.Strict().DecodeString(inner); err == nil {
			out[0] |= packedID
			id = raw
		}
	}
	out = append(binary.AppendUvarint(out, uint64(len(id))), id...)
	if whole {
		return string(append(out, o.Reason...))
	}
	out[0] |= ownError
	out = append(binary.AppendUvarint(out, uint64(len(o.Error))), o.Error...)
	return string(append(out, o.Reason...))
}

var errRow = errors.New("row of a report can't be read")

// unpackRow reads what packRow wrote, onto what its class says.
func unpackRow(text string, c broadcast.Count) (o broadcast.Outcome, err error) {
	p := parcel{rest: []byte(text)}
	o.Status, o.Error, o.List = c.Status, c.Error, c.List
	bits := p.byte()
	o.At = int64(p.uvarint())
	for i, at := range []*int64{&o.Sent, &o.Delivered, &o.Read, &o.Failed} {
		if bits&(1<<i) != 0 {
			*at = o.At + p.varint()
		}
	}
	id := p.bytes()
	o.MessageID = string(id)
	if bits&packedID != 0 {
		o.MessageID = wamid + base64.StdEncoding.EncodeToString(id)
	}
	if bits&ownError != 0 {
		o.Error = string(p.bytes())
	}
	o.Reason = string(p.rest)
	if p.broken {
		return broadcast.Outcome{}, errRow
	}
	return o, nil
}

// parcel takes a packed row apart.
type parcel struct {
	rest   []byte
	broken bool
}

func (p *parcel) take(n int) []byte {
	if n < 0 || n > len(p.rest) {
		p.broken, p.rest = true, nil
		return nil
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *parcel) byte() byte {
	if b := p.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (p *parcel) uvarint() uint64 {
	v, n := binary.Uvarint(p.rest)
	p.take(max(n, 0))
	p.broken = p.broken || n <= 0
	return v
}

func (p *parcel) varint() int64 {
	v, n := binary.Varint(p.rest)
	p.take(max(n, 0))
	p.broken = p.broken || n <= 0
	return v
}

func (p *parcel) bytes() []byte {
	n := p.uvarint()
	if n > uint64(len(p.rest)) {
		p.broken = true
		return nil
	}
	return p.take(int(n))
}

// rest names the entry in which what a row's first could not hold goes on.
func rest(field string) string { return field + "+" }

// place gives where a row stands: its basket, its field there, its piece, and the first byte of its class in it.
func place(row int) (basket int, field string, piece, at int) {
	n := row - 1
	return n / basketRows, strconv.Itoa(n % basketRows), n / pieceRows, n % pieceRows * classWidth
}

// classAt reads a row's class from its piece, which may end before it.
func classAt(piece []byte, at int) int {
	if at+classWidth > len(piece) {
		return 0
	}
	return int(binary.BigEndian.Uint16(piece[at:]))
}

// setClass writes a row's class into its piece.
func setClass(piece []byte, at, id int) []byte {
	if missing := at + classWidth - len(piece); missing > 0 {
		piece = append(piece, make([]byte, missing)...)
	}
	binary.BigEndian.PutUint16(piece[at:], uint16(id))
	return piece
}
