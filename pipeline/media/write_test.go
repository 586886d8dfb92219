package media_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/media"
	"optgate/pipeline/stream"
)

const shards = chat.Shards(4)

// topic keeps records of media in memory.
type topic struct {
	records []stream.Record
	fails   int // of the records, the one that can't be kept; 0: none
	forget  bool
}

func (k *topic) Publish(_ context.Context, records ...*stream.Record) error {
	for _, r := range records {
		if len(k.records)+1 == k.fails {
			return errors.New("kafka is away")
		}
		r.Offset = int64(len(k.records))
		kept := *r
		if kept.Value = bytes.Clone(r.Value); k.forget {
			kept.Value = nil
		}
		k.records = append(k.records, kept)
	}
	return nil
}

func (k *topic) At(_ context.Context, of stream.Topic, partition int, offset int64) (stream.Record, error) {
	if offset < 0 || offset >= int64(len(k.records)) || k.records[offset].Topic != of || k.records[offset].Partition != partition {
		return stream.Record{}, stream.ErrTruncated
	}
	return k.records[offset], nil
}

// taken writes a file, and gives what it is, or the code of why not.
func taken(t testing.TB, from io.Reader) (media.Content, string) {
	t.Helper()
	c, err := media.Write(t.Context(), shards, &topic{}, "acme", "b1", from)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return c, f.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, ""
}

func TestAFileIsWhatItsContentSays(t *testing.T) {
	f := func(name string, file []byte, want string) {
		t.Helper()
		for way, from := range map[string]io.Reader{"at once": bytes.NewReader(file), "in pieces": iotest.HalfReader(bytes.NewReader(file))} {
			c, code := taken(t, from)
			if got := string(c.Kind) + " " + c.MIME; code != "" && code != want || code == "" && got != want {
				t.Errorf("%s %s: %s %s, want %s", name, way, got, code, want)
			}
		}
	}
	f("jpeg", jpegFile(t), "image image/jpeg")
	f("png", pngFile(t), "image image/png")
	f("webp", webpFile(false, 100), "sticker image/webp")
	f("mp4", film("isom", "vide", 100), "video video/mp4")
	f("mp4 with what names it far behind", film("mp42", "vide", 3<<20), "video video/mp4")
	f("mp4 with what names it across two pieces", film("mp42", "vide", media.Chunk-20-8-8-8-14), "video video/mp4")
	f("mp4 with sound alone", film("isom", "soun", 100), "audio audio/mp4")
	f("m4a", film("M4A ", "soun", 100), "audio audio/mp4")
	f("3gp", film("3gp4", "vide", 100), "video video/3gpp")
	f("quicktime", film("qt  ", "vide", 100), "unsupported_media")
	f("heic", film("heic", "pict", 100), "unsupported_media")
	f("opus", oggFile("OpusHead"), "audio audio/ogg")
	f("vorbis", oggFile("\x01vorbis"), "unsupported_media")
	f("amr", []byte("#!AMR\n\x3c"), "audio audio/amr")
	f("amr wideband", []byte("#!AMR-WB\n\x3c"), "unsupported_media")
	f("mp3", mp3File(false), "audio audio/mpeg")
	f("mp3 with a tag", mp3File(true), "audio audio/mpeg")
	f("aac", aacFile(), "audio audio/aac")
	f("pdf", []byte("%PDF-1.7\n1 0 obj\n%%EOF\n"), "document application/pdf")
	f("docx", officeFile(t, "[Content_Types].xml", "_rels/.rels", "word/document.xml"), "document application/vnd.openxmlformats-officedocument.wordprocessingml.document")
	f("xlsx", officeFile(t, "xl/workbook.xml", "[Content_Types].xml"), "document application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
	f("pptx", officeFile(t, "[Content_Types].xml", "ppt/presentation.xml"), "document application/vnd.openxmlformats-officedocument.presentationml.presentation")
	f("zip", officeFile(t, "word/document.xml"), "unsupported_media")
	f("doc", oleFile("WordDocument", 100), "document application/msword")
	f("xls", oleFile("Workbook", 2<<20), "document application/vnd.ms-excel")
	f("ppt across two pieces", oleFile("PowerPoint Document", media.Chunk-20), "document application/vnd.ms-powerpoint")
	f("some other OLE", oleFile("Whatever", 10), "unsupported_media")
	f("text", []byte("Grüße, 你好\r\n"), "document text/plain")
	f("long text, characters across pieces", []byte("x"+strings.Repeat("你", media.Chunk)), "document text/plain")
	f("text that turns out to be none", append([]byte(strings.Repeat("a", media.Chunk+5)), 0), "unsupported_media")
	f("text in UTF-16", []byte("\xff\xfeh\x00i\x00"), "unsupported_media")
	f("text in latin 1", []byte("Gr\xfc\xdfe"), "unsupported_media")
	f("half a character at the end", []byte("abc\xe4"), "unsupported_media")
	f("a page", []byte(" \n<!DOCTYPE html><script>"), "unsupported_media")
	f("a script", []byte("#!/bin/sh\nrm"), "unsupported_media")
	f("a program", []byte("\x7fELF\x02\x01\x01"), "unsupported_media")
	f("a program of another house", []byte("MZ\x90\x00\x03"), "unsupported_media")
	f("nothing", nil, "empty_media")
	f("one NUL", []byte{0}, "unsupported_media")
}

func TestATruncatedFileIsFound(t *testing.T) {
	f := func(name string, file []byte, cut int) {
		t.Helper()
		if _, code := taken(t, bytes.NewReader(file[:len(file)-cut])); code != "damaged_media" {
			t.Errorf("%s: %q", name, code)
		}
	}
	f("jpeg", jpegFile(t), 1)
	f("png", pngFile(t), 8)
	f("webp", webpFile(false, 1000), 1)
	f("mp4 without its end", film("isom", "vide", 1000), 1)
	f("mp4 without what names it", film("isom", "vide", 1000), 40)
	f("3gp", film("3gp4", "vide", 3<<20), 2<<20)
	f("pdf", []byte("%PDF-1.7\n1 0 obj\n%%EOF"), 1)
	f("docx", officeFile(t, "[Content_Types].xml", "word/document.xml"), 30)
	f("doc", oleFile("WordDocument", 100), 7)
}

// endless is a beginning with so many bytes behind it.
func endless(head []byte, size int64) io.Reader {
	return io.LimitReader(io.MultiReader(bytes.NewReader(head), filler{}), size)
}

type filler struct{}

func (filler) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func TestAFileIsTooLargeByOneByte(t *testing.T) {
	f := func(name string, head, end []byte, most int64) {
		t.Helper()
		if _, code := taken(t, io.MultiReader(endless(head, most-int64(len(end))), bytes.NewReader(end))); code != "" {
			t.Errorf("%s of %d bytes: %s", name, most, code)
		}
		if _, code := taken(t, io.MultiReader(endless(head, most-int64(len(end))), strings.NewReader("x"), bytes.NewReader(end))); code != "media_too_large" {
			t.Errorf("%s of %d bytes: %q", name, most+1, code)
		}
	}
	f("jpeg", []byte("\xff\xd8\xff"), []byte("\xff\xd9"), 5<<20)
	f("amr", []byte("#!AMR\n"), nil, 16<<20)
	f("sticker", webpFile(false, 100), nil, 100<<10)
	f("animated sticker", webpFile(true, 100), nil, 500<<10)
	whole, over := film("isom", "vide", 16<<20-52), film("isom", "vide", 16<<20-51)
	if _, code := taken(t, bytes.NewReader(whole)); code != "" || len(whole) != 16<<20 {
		t.Errorf("%d bytes: %q", len(whole), code)
	}
	if _, code := taken(t, bytes.NewReader(over)); code != "media_too_large" {
		t.Errorf("%d bytes: %q", len(over), code)
	}
}

// TestALargeFilePassesThroughLittleMemory takes in the largest document there may be.
func TestALargeFilePassesThroughLittleMemory(t *testing.T) {
	to := &topic{forget: true}
	peak, before := uint64(0), heap()
	from := readerFunc(func(read io.Reader, p []byte) (int, error) {
		peak = max(peak, heap())
		return read.Read(p)
	}, endless([]byte("text"), media.MaxFile))
	c, err := media.Write(t.Context(), shards, to, "acme", "b1", from)
	if err != nil || c.Size != media.MaxFile || len(c.Offsets) != 100 {
		t.Fatalf("%d bytes in %d chunks: %v", c.Size, len(c.Offsets), err)
	}
	if grown := int64(peak) - int64(before); grown > 8<<20 {
		t.Errorf("%d KiB on the heap for a file of 100 MiB", grown>>10)
	}
	if _, code := taken(t, endless([]byte("text"), media.MaxFile+1)); code != "media_too_large" {
		t.Error(code)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

type watched struct {
	read io.Reader
	with func(io.Reader, []byte) (int, error)
}

func (w watched) Read(p []byte) (int, error) { return w.with(w.read, p) }

func readerFunc(with func(io.Reader, []byte) (int, error), read io.Reader) io.Reader {
	return watched{io.MultiReader(read), with}
}

func TestWhatWasKeptIsReadAgain(t *testing.T) {
	kept, file := &topic{}, film("isom", "vide", 3<<20)
	for range 3 {
		if err := kept.Publish(t.Context(), &stream.Record{Topic: stream.Media, Key: []byte("acme/other/0")}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := media.Write(t.Context(), shards, kept, "acme", "b1", bytes.NewReader(file))
	if sum := sha256.Sum256(file); err != nil || c.SHA256 != hex.EncodeToString(sum[:]) || c.Size != int64(len(file)) {
		t.Fatalf("%+v %v", c, err)
	}
	m := media.Media{Account: "acme", Content: c}
	var back bytes.Buffer
	if err := m.Read(t.Context(), kept, &back); err != nil || !bytes.Equal(back.Bytes(), file) {
		t.Fatalf("%d bytes, %v", back.Len(), err)
	}
	kept.records[4].Value[9]++
	if err := m.Read(t.Context(), kept, io.Discard); err == nil {
		t.Error("other bytes were not noticed")
	}
	kept.records[4].Value = nil // a tombstone
	if err := m.Read(t.Context(), kept, io.Discard); err == nil {
		t.Error("a missing chunk was not noticed")
	}
	m.Account = "globex"
	if err := m.Read(t.Context(), kept, io.Discard); err == nil {
		t.Error("another account's chunks were read")
	}
}

func TestAFileThatBreaksOff(t *testing.T) {
	kept := &topic{fails: 2}
	_, err := media.Write(t.Context(), shards, kept, "acme", "b1", endless([]byte("text"), 3<<20))
	if fault.KindOf(err) != fault.Unavailable || len(kept.records) != 1 {
		t.Errorf("%v after %d chunks", err, len(kept.records))
	}
	broken := fault.New(fault.Invalid, "broken_off", "gone")
	_, err = media.Write(t.Context(), shards, &topic{}, "acme", "b1", io.MultiReader(endless([]byte("text"), 2<<20), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	for _, early := range []error{io.ErrUnexpectedEOF, fmt.Errorf("wrapped: %w", io.ErrUnexpectedEOF), fmt.Errorf("wrapped: %w", io.EOF)} {
		for _, size := range []int64{10, media.Chunk, media.Chunk + 10} {
			from := io.MultiReader(endless([]byte("text"), size), iotest.ErrReader(early))
			if c, err := media.Write(t.Context(), shards, &topic{}, "acme", "b1", from); !errors.Is(err, early) {
				t.Errorf("%d bytes, then %v: %+v %v", size, early, c, err)
			}
		}
	}
}

// FuzzWrite takes in anything: what is taken is of a kind that there is, whole and no larger than it may be.
func FuzzWrite(f *testing.F) {
	for _, file := range [][]byte{
		jpegFile(f), pngFile(f), webpFile(true, 50), film("isom", "vide", 9), film("M4A ", "soun", 1), oggFile("OpusHead"), mp3File(true), aacFile(),
		[]byte("%PDF-%%EOF"), officeFile(f, "[Content_Types].xml", "word/a"), oleFile("Book", 3), []byte("text"), []byte("\xff\xf1"), []byte("ID3\x00\x00\x00\x7f\x7f\x7f\x7f"),
		{0, 0, 0, 1, 'f', 't', 'y', 'p', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		kept := &topic{}
		c, err := media.Write(t.Context(), shards, kept, "acme", "b1", bytes.NewReader(file))
		if err != nil {
			if fault.KindOf(err) != fault.Unprocessable && fault.KindOf(err) != fault.TooLarge {
				t.Error(err)
			}
			return
		}
		if c.Kind == "" || c.MIME == "" || strings.Contains(c.MIME, "ole") || c.Size != int64(len(file)) {
			t.Errorf("%+v", c)
		}
		var back bytes.Buffer
		if err := (media.Media{Account: "acme", Content: c}).Read(t.Context(), kept, &back); err != nil || !bytes.Equal(back.Bytes(), file) {
			t.Errorf("read again: %v", err)
		}
	})
}
