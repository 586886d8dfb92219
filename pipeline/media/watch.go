package media

import (
	"bytes"
	"encoding/binary"
)

// watcher looks at a file as it goes by, and holds it against what its beginning claims. It keeps a few hundred bytes.
type watcher struct {
	content Content
	size    int64
	carry   []byte // the end of what went by, for what lies across two pieces
	half    []byte // a character of a text that was cut in two
	binary  bool   // a text is none
	found   map[string]bool
	next    int64 // where the next box of an ISO file begins
	broken  bool  // boxes don't follow each other
	open    bool  // the last box goes to the end
	claimed int64 // the size that a WebP says it has
}

func newWatcher(c Content, head []byte) *watcher {
	w := &watcher{content: c, found: map[string]bool{}}
	if c.MIME == mimeWebP {
		w.claimed = 8 + int64(binary.LittleEndian.Uint32(head[4:]))
	}
	return w
}

// tail is how much of the end of a file is looked at for the mark that ends it.
const tail = 1024 + 64<<10

// marks are what is looked for anywhere in a file, by its type: a mark that is found names the file, or tells that it is whole.
var marks = map[string][]string{
	mimeOLE: {utf16("WordDocument"), utf16("Workbook"), utf16("PowerPoint Document"), utf16("Book")},
	mimeMP4: {"vide", "soun"}, mime3GPP: {"vide", "soun"}, mimeM4A: {"soun"},
}

// utf16 writes ASCII as an OLE directory does.
func utf16(text string) string {
	wide := make([]byte, 0, 2*len(text))
	for i := range len(text) {
		wide = append(wide, text[i], 0)
	}
	return string(wide)
}

// Write never fails.
func (w *watcher) Write(p []byte) (int, error) {
	switch w.content.MIME {
	case mimeText:
		w.text(p)
	case mimeMP4, mime3GPP, mimeM4A:
		w.boxes(p)
	}
	seam := append(w.carry, p[:min(len(p), seamBytes)]...) //nolint:gocritic // the carry is used up
	w.look(seam)
	w.look(p)
	w.size += int64(len(p))
	keep := seamBytes
	switch w.content.MIME {
	case mimeJPEG, mimePNG, mimePDF, mimeDocx, mimeXlsx, mimePptx:
		keep = tail
	}
	if len(p) >= keep {
		w.carry = append(w.carry[:0], p[len(p)-keep:]...)
	} else {
		w.carry = append(w.carry, p...)
		w.carry = append(w.carry[:0], w.carry[max(0, len(w.carry)-keep):]...)
	}
	return len(p), nil
}

// seamBytes is longer than any mark.
const seamBytes = 64

// look finds marks.
func (w *watcher) look(p []byte) {
	for _, mark := range marks[w.content.MIME] {
		if !w.found[mark] && holds(p, mark) {
			w.found[mark] = true
		}
	}
}

// holds says whether a mark stands in p. One of 4 bytes is the type of a handler, which stands 8 bytes after the name of its
// box.
func holds(p []byte, mark string) bool {
	for from := 0; ; {
		i := bytes.Index(p[from:], []byte(mark))
		if i < 0 {
			return false
		}
		if i += from; len(mark) != 4 || i >= 12 && string(p[i-12:i-8]) == "hdlr" {
			return true
		}
		from = i + 1
	}
}

func (w *watcher) text(p []byte) {
	whole := append(w.half, p...) //nolint:gocritic // the half is used up
	left, ok := plain(whole)
	w.binary = w.binary || !ok
	w.half = append([]byte(nil), whole[len(whole)-left:]...)
}

// boxes follows the boxes of an ISO base media file: each says how long it is.
func (w *watcher) boxes(p []byte) {
	for end := w.size + int64(len(p)); w.next < end && !w.broken && !w.open; {
		var head [16]byte
		var n int
		if from := w.next - w.size; from >= 0 {
			n = copy(head[:], p[from:])
		} else { // it began in the piece before
			n = copy(head[:], w.carry[max(0, len(w.carry)+int(from)):])
			n += copy(head[n:], p)
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		switch {
		case n < 8 || length == 1 && n < 16:
			return // the rest comes with the next piece
		case length == 0:
			w.open = true
			return
		case length == 1:
			length = int64(binary.BigEndian.Uint64(head[8:]))
		}
		if length < 8 || length > MaxFile {
			w.broken = true
			return
		}
		w.next += length
	}
}

// end says what the file is now that all of it went by.
func (w *watcher) end() (Content, error) {
	c, last := w.content, w.carry
	switch c.MIME {
	case mimeText:
		if w.binary || len(w.half) > 0 {
			return c, unsupported()
		}
	case mimeWebP:
		if w.claimed > w.size {
			return c, damaged("its end is missing")
		}
	case mimeJPEG:
		if !bytes.Contains(last, []byte("\xff\xd9")) {
			return c, damaged("its end is missing")
		}
	case mimePNG:
		if !bytes.Contains(last, []byte("IEND")) {
			return c, damaged("its end is missing")
		}
	case mimePDF:
		if !bytes.Contains(last, []byte("%%EOF")) {
			return c, damaged("its end is missing")
		}
	case mimeDocx, mimeXlsx, mimePptx:
		if !bytes.Contains(last, []byte("PK\x05\x06")) {
			return c, damaged("its end is missing")
		}
	case mimeMP4, mime3GPP, mimeM4A:
		return w.film()
	case mimeOLE:
		return w.old()
	}
	return c, nil
}

// film tells a film from what is only heard.
func (w *watcher) film() (c Content, err error) {
	c = w.content
	switch {
	case w.broken || !w.open && w.next != w.size:
		return c, damaged("it ends before it says that it does")
	case w.found["vide"]:
	case w.found["soun"] && c.MIME != mime3GPP:
		c.Kind, c.MIME = Audio, mimeM4A
	default:
		return c, damaged("it names neither pictures nor sound")
	}
	return c, nil
}

// old tells Microsoft's older documents apart.
func (w *watcher) old() (c Content, err error) {
	c = w.content
	switch m := marks[mimeOLE]; {
	case w.size%512 != 0:
		return c, damaged("its end is missing")
	case w.found[m[0]]:
		c.MIME = "application/msword"
	case w.found[m[2]]:
		c.MIME = "application/vnd.ms-powerpoint"
	case w.found[m[1]] || w.found[m[3]]:
		c.MIME = "application/vnd.ms-excel"
	default:
		return c, unsupported()
	}
	return c, nil
}
