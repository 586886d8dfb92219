package ingress_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"optgate/gateway/ingress"
	"optgate/gateway/meta"
)

// FuzzWebhook: whatever the path and body, nothing panics, and 200 is said only of what was rightly signed and is kept.
func FuzzWebhook(f *testing.F) {
	f.Add("/webhooks/meta", greeting, true)
	f.Add("/webhooks/meta/main", "{not json", true)
	f.Add("/webhooks/meta/%2e%2e", `{"object":"page","entry":[{"messaging":[{},7]}]}`, true)
	f.Add("//webhooks/meta?", "", false)
	f.Fuzz(func(t *testing.T, path, body string, signed bool) {
		l := &log{}
		i := ingress.New(ingress.Options{
			Apps:      []ingress.App{{ID: "main", Secrets: [][]byte{[]byte(secret)}}},
			Publisher: l, Metrics: &counts{of: map[string]int{}}, Now: time.Now, Log: zerolog.Nop(),
		})
		var rc fasthttp.RequestCtx
		rc.Request.Header.SetMethod("POST")
		rc.Request.SetRequestURI(path)
		rc.Request.SetBodyStream(&reader{body}, len(body))
		if signed {
			rc.Request.Header.Set("X-Hub-Signature-256", meta.Sign([]byte(secret), []byte(body)))
		}
		refused := i.Admit(&rc.Request.Header)
		i.Handle(context.Background(), &rc)
		status := rc.Response.StatusCode()
		switch {
		case refused != 0 && status != refused:
			t.Errorf("refused with %d, then answered %d", refused, status)
		case status == 200 && !signed:
			t.Error("200 without a signature")
		case status == 200 && len(l.kept) == 0 && body != "":
			t.Error("200, and nothing kept")
		case status != 200 && len(l.kept) > 0:
			t.Errorf("%d, and kept", status)
		}
	})
}

// reader gives a text once.
type reader struct{ text string }

func (r *reader) Read(p []byte) (int, error) {
	n := copy(p, r.text)
	if r.text = r.text[n:]; r.text == "" {
		return n, io.EOF
	}
	return n, nil
}
