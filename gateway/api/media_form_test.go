package api

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"optgate/pipeline/fault"
	"optgate/pipeline/media"
)

// FuzzForm reads anything as a form: what is taken for the file stands in the body as it is, and the form has an end.
func FuzzForm(f *testing.F) {
	whole := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--b--\r\n"
	f.Add([]byte(whole), "multipart/form-data; boundary=b", "")
	f.Add([]byte(whole[:len(whole)-4]), "multipart/form-data; boundary=b", "../x")
	f.Add([]byte("--b\n\n--b\n\nx"), "MULTIPART/form-data; boundary=\"b\"", "\x00\xff")
	f.Add([]byte("hello"), "text/plain", strings.Repeat("ä", 300))
	f.Fuzz(func(t *testing.T, body []byte, contentType, name string) {
		file, err := fileIn(bytes.NewReader(body), contentType, name)
		if err == nil {
			if !utf8.ValidString(file.name) || strings.ContainsAny(file.name, "/\\\x00\n") || utf8.RuneCountInString(file.name) > media.MaxName {
				t.Errorf("it is called %q", file.name)
			}
			var content []byte
			if content, err = io.ReadAll(file); err == nil {
				err = file.end()
			}
			if err == nil && file.form != nil && (!bytes.Contains(body, content) || !bytes.Contains(body, []byte("--"))) {
				t.Errorf("%q out of %q", content, body)
			}
		}
		if kind := fault.KindOf(err); err != nil && kind != fault.Invalid && kind != fault.Unprocessable {
			t.Errorf("%v", err)
		}
	})
}
