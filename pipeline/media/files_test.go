package media_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
	"testing"
)

// The smallest files of each kind that say what they are.

func jpegFile(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngFile(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func webpFile(animated bool, size int) []byte {
	flags := byte(0)
	if animated {
		flags = 2
	}
	b := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"), flags)
	b = append(b, make([]byte, max(size-len(b), 9))...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

func box(kind string, inside ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(inside)))
	return append(append(b, kind...), inside...)
}

// film is an ISO base media file of a brand, with a handler and so many bytes of data before it.
func film(brand, handler string, data int) []byte {
	moov := box("moov", box("hdlr", append(make([]byte, 8), handler...)...)...)
	return bytes.Join([][]byte{box("ftyp", append([]byte(brand), 0, 0, 0, 0)...), box("mdat", make([]byte, data)...), moov}, nil)
}

func oggFile(head string) []byte {
	b := append([]byte("OggS\x00\x02"), make([]byte, 20)...)
	return append(append(b, 1, byte(len(head))), head...)
}

func mp3File(id3 bool) []byte {
	frame := append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 413)...) // 128 kbit/s at 44.1 kHz: 417 bytes
	b := append(append([]byte(nil), frame...), frame...)
	if id3 {
		b = append([]byte("ID3\x04\x00\x00\x00\x00\x00\x05hello"), b...)
	}
	return b
}

func aacFile() []byte {
	frame := append([]byte{0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc}, make([]byte, 9)...) // 16 bytes
	return append(append([]byte(nil), frame...), frame...)
}

func officeFile(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("<xml/>")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func oleFile(stream string, at int) []byte {
	b := append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, at)...)
	for i := range len(stream) {
		b = append(b, stream[i], 0)
	}
	return append(b, make([]byte, 512-len(b)%512)...)
}
