package media

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"optgate/pipeline/fault"
)

// sniff says by the beginning of a file what it is; ok is false for what WhatsApp doesn't take. head holds the whole file or
// at least 64 KiB of it. What is claimed here the watcher holds against the rest of the file.
func sniff(head []byte) (c Content, ok bool) {
	for _, one := range signatures {
		if one.is(head) {
			return Content{Kind: one.kind, MIME: one.mime, Animated: one.kind == Sticker && animated(head)}, one.kind != ""
		}
	}
	return Content{}, false
}

const (
	mimeJPEG = "image/jpeg"
	mimePNG  = "image/png"
	mimeWebP = "image/webp"
	mimeMP4  = "video/mp4"
	mime3GPP = "video/3gpp"
	mimeM4A  = "audio/mp4"
	mimeOgg  = "audio/ogg"
	mimePDF  = "application/pdf"
	mimeText = "text/plain"
	mimeOLE  = "application/x-ole-storage" // until it is known which of them it is

	mimeDocx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	mimeXlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	mimePptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
)

// signatures are looked at in this order. One without a kind is known and not taken.
var signatures = []struct {
	kind Kind
	mime string
	is   func(head []byte) bool
}{
	{Image, mimeJPEG, begins("\xff\xd8\xff")},
	{Image, mimePNG, func(h []byte) bool { return begins("\x89PNG\r\n\x1a\n")(h) && at(h, 12, "IHDR") }},
	{Sticker, mimeWebP, func(h []byte) bool { return begins("RIFF")(h) && at(h, 8, "WEBP") }},
	{Audio, mimeM4A, brands("M4A ", "M4B ")},
	{Video, mime3GPP, brands("3gp")},
	{"", "", brands("qt  ", "heic", "heix", "heim", "heis", "hevc", "mif1", "msf1", "avif", "avis", "jp2 ", "crx ", "3g2")},
	{Video, mimeMP4, func(h []byte) bool { return at(h, 4, "ftyp") }},
	{Audio, mimeOgg, opus},
	{"", "", begins("OggS")},
	{Audio, "audio/amr", begins("#!AMR\n")},
	{"", "", begins("#!AMR")},
	{Audio, "audio/aac", func(h []byte) bool { return adts(past(h)) }},
	{Audio, "audio/mpeg", func(h []byte) bool { return begins("ID3")(h) || layer3(h) }},
	{Document, mimePDF, func(h []byte) bool { return bytes.Contains(h[:min(len(h), 1024)], []byte("%PDF-")) }},
	{Document, mimeOLE, begins("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")},
	{Document, mimeDocx, office("word/")},
	{Document, mimeXlsx, office("xl/")},
	{Document, mimePptx, office("ppt/")},
	{"", "", begins("PK\x03\x04")},
	{Document, mimeText, func(h []byte) bool { _, ok := plain(h); return ok && len(h) > 0 && !scripted(h) }},
}

func begins(with string) func([]byte) bool {
	return func(h []byte) bool { return bytes.HasPrefix(h, []byte(with)) }
}

func at(h []byte, offset int, text string) bool {
	return len(h) >= offset+len(text) && string(h[offset:offset+len(text)]) == text
}

// brands matches ISO base media files by the brand that they name first.
func brands(names ...string) func([]byte) bool {
	return func(h []byte) bool {
		for _, name := range names {
			if at(h, 4, "ftyp") && at(h, 8, name) {
				return true
			}
		}
		return false
	}
}

// animated says whether a WebP's header announces frames.
func animated(h []byte) bool { return at(h, 12, "VP8X") && len(h) > 20 && h[20]&2 != 0 }

// opus says whether the first page of an Ogg holds the head of an Opus stream: WhatsApp takes no other.
func opus(h []byte) bool {
	return begins("OggS")(h) && len(h) > 27 && at(h, 27+int(h[26]), "OpusHead")
}

// past gives what comes after an ID3 tag.
func past(h []byte) []byte {
	if !begins("ID3")(h) || len(h) < 10 {
		return h
	}
	size := int(h[6]&0x7f)<<21 | int(h[7]&0x7f)<<14 | int(h[8]&0x7f)<<7 | int(h[9]&0x7f)
	return h[min(len(h), 10+size):]
}

// adts says whether two frames of AAC follow each other, or one is all there is.
func adts(h []byte) bool {
	frame := func(h []byte) int {
		if len(h) < 7 || h[0] != 0xff || h[1]&0xf6 != 0xf0 || h[2]>>2&0xf > 12 {
			return 0
		}
		return int(h[3]&3)<<11 | int(h[4])<<3 | int(h[5])>>5
	}
	n := frame(h)
	return n >= 7 && (len(h) == n || len(h) > n && (frame(h[n:]) > 0 || len(h) < n+7))
}

// Bit rates (kbit/s) of MPEG audio layer III, of version 1 and of versions 2 and 2.5, and sample rates by version.
var (
	rates1 = [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0}
	rates2 = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0}
	hertz  = [4][4]int{{11025, 12000, 8000}, {}, {22050, 24000, 16000}, {44100, 48000, 32000}}
)

// layer3 says whether two frames of MP3 follow each other, or one is all there is.
func layer3(h []byte) bool {
	frame := func(h []byte) int {
		if len(h) < 4 || h[0] != 0xff || h[1]&0xe0 != 0xe0 || h[1]>>1&3 != 1 {
			return 0
		}
		version := h[1] >> 3 & 3
		rate, samples := rates2[h[2]>>4], 72
		if version == 3 {
			rate, samples = rates1[h[2]>>4], 144
		}
		per := hertz[version][h[2]>>2&3]
		if rate == 0 || per == 0 {
			return 0
		}
		return samples*rate*1000/per + int(h[2]>>1&1)
	}
	n := frame(h)
	return n > 0 && (len(h) == n || len(h) > n && (frame(h[n:]) > 0 || len(h) < n+4))
}

// office matches a zip whose entries are those of an office document: [Content_Types].xml and a folder of its own.
func office(folder string) func([]byte) bool {
	return func(h []byte) bool {
		return begins("PK\x03\x04")(h) && entry(h, "[Content_Types].xml") && entry(h, folder)
	}
}

// entry says whether a local header of a zip names a file that begins so.
func entry(h []byte, name string) bool {
	for rest := h; ; {
		i := bytes.Index(rest, []byte("PK\x03\x04"))
		if i < 0 || len(rest) < i+30 {
			return false
		}
		length := int(binary.LittleEndian.Uint16(rest[i+26:]))
		if length >= len(name) && at(rest, i+30, name) {
			return true
		}
		rest = rest[i+4:]
	}
}

// plain says whether bytes are text in UTF-8. left of them, at the end, are the beginning of a character.
func plain(h []byte) (left int, ok bool) {
	for i := 0; i < len(h); {
		if b := h[i]; b < utf8.RuneSelf {
			if b < ' ' && b != '\t' && b != '\n' && b != '\r' && b != '\f' || b == 0x7f {
				return 0, false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(h[i:])
		if r == utf8.RuneError && size == 1 {
			return len(h) - i, !utf8.FullRune(h[i:])
		}
		i += size
	}
	return 0, true
}

// scripted says whether a text is a program or a page by how it begins, which nobody should be sent as a text.
func scripted(h []byte) bool {
	h = bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(h[:min(len(h), 1024)], []byte("\xef\xbb\xbf")), " \t\r\n\f"))
	for _, one := range []string{"#!", "<!doctype html", "<html", "<script", "<svg", "<?php", "<?xml"} {
		if bytes.HasPrefix(h, []byte(one)) {
			return true
		}
	}
	return false
}

func unsupported() error {
	return fault.New(fault.Unprocessable, "unsupported_media", "The file is none that WhatsApp takes, whatever its name says: "+
		"jpeg, png, webp, mp4, 3gp, aac, amr, mp3, m4a, ogg (Opus), pdf, doc, docx, xls, xlsx, ppt, pptx or text in UTF-8.")
}

func damaged(why string) error {
	return fault.New(fault.Unprocessable, "damaged_media", "The file is not whole: %s. Send it again from the original.", why)
}
