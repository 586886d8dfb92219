package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"optgate/gateway/api/apitest"
	"optgate/gateway/meta/fake"
)

// upload adds a file to acme's library, and gives its id.
func (w *world) upload(name string, file []byte) string {
	w.t.Helper()
	var made struct{ ID string }
	target := "/v1/media?name=" + name
	status, answer, header := fetch(http.MethodPost, "http://"+w.private+target, acmeToken, file, "Content-Type", "application/octet-stream")
	w.documented(apitest.Exchange{Method: http.MethodPost, Target: target, Status: status, Header: header, Answer: answer})
	if status/100 != 2 || json.Unmarshal(answer, &made) != nil {
		w.t.Fatalf("upload: %d %s", status, answer)
	}
	return made.ID
}

// shows is a broadcast's message that shows a file.
func shows(id string) map[string]any {
	return map[string]any{"message": map[string]any{"type": "image", "image": map[string]any{"library": id, "caption": "Hi {{name}}"}}}
}

// TestAFileIsUploadedToMetaOnce sends a picture to many, also after the gateway and its Redis began anew, and then deletes it.
func TestAFileIsUploadedToMetaOnce(t *testing.T) {
	t.Parallel()
	w := begin(t, servers{})
	file := append(append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte("picture "), 300_000)...), 0xff, 0xd9)
	id := w.upload("otter.jpg", file)
	var crowd []fake.Person
	for n := range 600 {
		crowd = append(crowd, person(1000+n))
	}
	w.finished("acme", w.broadcast(crowd[:400], shows(id)))
	uploads := w.meta.Uploads()
	if len(uploads) != 1 || uploads[0].Size != int64(len(file)) || uploads[0].Type != "image/jpeg" {
		t.Fatalf("%d uploads: %+v", len(uploads), uploads)
	}
	w.gateway.Stop()
	w.start()
	w.finished("acme", w.broadcast(crowd[400:500], shows(id)))
	for _, send := range w.meta.Sends() {
		var sent struct{ Image struct{ ID, Library string } }
		if json.Unmarshal(send.Body, &sent) != nil || sent.Image.ID != uploads[0].ID || sent.Image.Library != "" {
			t.Fatalf("sent %s", send.Body)
		}
	}
	if n := len(w.meta.Sends()); n != 500 || len(w.meta.Uploads()) != 1 {
		t.Errorf("%d sends, %d uploads", n, len(w.meta.Uploads()))
	}
	status, back, _ := fetch(http.MethodGet, "http://"+w.private+"/v1/media/"+id+"/content", acmeToken, nil)
	if status != http.StatusOK || !bytes.Equal(back, file) {
		t.Errorf("content: %d, %d bytes", status, len(back))
	}
	if again := w.upload("otter.jpg", file); again != id {
		t.Errorf("the same file is %s and %s", id, again)
	}

	if status, said := w.api(http.MethodDelete, "/v1/media/"+id, acmeToken, nil, nil); status != http.StatusNoContent {
		t.Fatalf("delete: %d %s", status, said)
	}
	within(t, 30*time.Second, "Meta's copy is deleted", func() bool { return w.meta.Uploads()[0].Deleted })
	request := map[string]any{
		"channel": "wa", "category": "marketing", "lists": []any{"default"}, "message": shows(id)["message"],
		"recipients": []any{map[string]any{"to": shown(crowd[599]), "params": map[string]any{"name": "Ada"}}},
	}
	if status, said := w.api(http.MethodPost, "/v1/broadcasts", acmeToken, request, nil); status != http.StatusUnprocessableEntity || !strings.Contains(said, "unknown_media") {
		t.Errorf("a file that is gone: %d %s", status, said)
	}
}

// liveWithFiles does everything with files once that leaves records of a kind of its own.
func (w *world) liveWithFiles() {
	w.t.Helper()
	id := w.upload("otter.jpg", []byte("\xff\xd8\xff\xe0 an otter \xff\xd9"))
	if status, said, _ := fetch(http.MethodPost, "http://"+w.private+"/v1/media", acmeToken, []byte("%PDF-1.7 cut off")); status != http.StatusUnprocessableEntity {
		w.t.Fatalf("a file that is cut off: %d %s", status, said)
	}
	w.finished("acme", w.broadcast([]fake.Person{person(8)}, shows(id)))
	if status, said := w.api(http.MethodDelete, "/v1/media/"+id, acmeToken, nil, nil); status != http.StatusNoContent {
		w.t.Fatalf("delete: %d %s", status, said)
	}
	w.holds("commands", `"media.removed"`)
	w.holds("commands", `"media.drop"`)
}

// TestTemplatesAreHeldAgainstMeta sends what Meta has approved and nothing else, from the moment at which a webhook tells.
func TestTemplatesAreHeldAgainstMeta(t *testing.T) {
	t.Parallel()
	w := begin(t, servers{})
	send := func(category, name string, texts ...string) (int, string) {
		var parameters []any
		for _, text := range texts {
			parameters = append(parameters, map[string]any{"type": "text", "text": text})
		}
		return w.api(http.MethodPost, "/v1/messages", acmeToken, map[string]any{
			"channel": "wa", "category": category, "lists": []any{"default"}, "to": shown(person(2001)),
			"message": map[string]any{"type": "template", "template": map[string]any{"name": name, "language": map[string]any{"code": "en"},
				"components": []any{map[string]any{"type": "body", "parameters": parameters}}}},
		}, nil)
	}
	f := func(category, name, code string, texts ...string) {
		t.Helper()
		status, said := send(category, name, texts...)
		if code == "" && status != http.StatusAccepted || code != "" && (status != http.StatusUnprocessableEntity || !strings.Contains(said, code)) {
			t.Errorf("%s %s: %d %s, want %q", category, name, status, said, code)
		}
	}
	f("marketing", "offer", "", "Ada")
	f("marketing", "offer", "wrong_count", "Ada", "Ben")
	f("utility", "offer", "category_mismatch", "Ada")
	f("marketing", "other", "unknown_template", "Ada")
	var page struct {
		Data []struct{ Name, Status string }
	}
	if status, said := w.api(http.MethodGet, "/v1/templates?channel=wa&status=approved", acmeToken, nil, &page); status != http.StatusOK || len(page.Data) != 1 || page.Data[0].Name != "offer" {
		t.Errorf("%d %s", status, said)
	}
	if n := w.meta.TemplateReads(); n != 1 {
		t.Errorf("Graph was asked %d times", n)
	}
	paused := fake.Offer("offer", "Hi {{1}}")
	paused["status"] = "PAUSED"
	w.meta.SetTemplates([]fake.Template{paused})
	w.deliver(fake.Event{Kind: "template", To: acme, Field: "message_template_status_update", Item: map[string]any{
		"event": "PAUSED", "message_template_id": 12, "message_template_name": "offer", "message_template_language": "en", "reason": "NONE"}})
	within(t, 10*time.Second, "the template stands as paused", func() bool {
		status, said := send("marketing", "offer", "Ada")
		return status == http.StatusUnprocessableEntity && strings.Contains(said, "not_approved")
	})
}
