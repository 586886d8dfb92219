package ingress

import (
	"bytes"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/gateway/meta"
)

// signature is the header that carries Meta's signature over the body.
const signature = "X-Hub-Signature-256"

// Admit refuses, by the header alone and so before the body is read, what can't be a webhook of Meta's. It is an
// httpd.Options.Admit; where it can't tell, the same is asked again before the body is read.
func (i *Ingress) Admit(h *fasthttp.RequestHeader) int {
	if !h.IsPost() {
		return 0
	}
	path := h.RequestURI()
	if end := bytes.IndexByte(path, '?'); end >= 0 {
		path = path[:end]
	}
	if bytes.IndexByte(path, '%') >= 0 {
		plain, err := url.PathUnescape(string(path))
		if err != nil {
			return 0
		}
		path = []byte(plain)
	}
	app, ok := appOf(path)
	if !ok {
		return 0
	}
	return statusOf(i.refusal(h, app))
}

// Refused counts what Admit refused, and what found too many requests running. It is an httpd.Options.Refused.
func (i *Ingress) Refused(status int) {
	for _, r := range []result{unknownApp, tooLarge, unsigned, busy} {
		if statusOf(r) == status {
			i.Metrics.Webhook(string(r), 0)
		}
	}
}

// refusal says why a webhook is refused by its header, "" if it is not.
func (i *Ingress) refusal(h *fasthttp.RequestHeader, app []byte) result {
	switch {
	case !i.apps[string(app)]:
		return unknownApp
	case h.ContentLength() > i.MaxBody:
		return tooLarge
	case !meta.WellFormed(h.Peek(signature)):
		return unsigned
	}
	return ""
}

// statusOf gives the status of a result; 0 for none.
func statusOf(r result) int {
	switch r {
	case kept, dead, empty:
		return fasthttp.StatusOK
	case unknownApp:
		return fasthttp.StatusNotFound
	case unsigned, forged:
		return fasthttp.StatusUnauthorized
	case tooLarge:
		return fasthttp.StatusRequestEntityTooLarge
	case broken:
		return fasthttp.StatusBadRequest
	case busy, unavailable:
		return fasthttp.StatusServiceUnavailable
	}
	return 0
}

// handshake answers Meta's question whether this callback is ours: the challenge for whoever knows the verify token.
func (i *Ingress) handshake(rc *fasthttp.RequestCtx, app []byte) {
	asked := rc.QueryArgs()
	given, knows := string(asked.Peek("hub.verify_token")), false
	for _, a := range i.Apps {
		if (len(app) == 0 || string(app) == a.ID) && meta.SameToken(given, a.VerifyToken) {
			knows = true
		}
	}
	challenge := asked.Peek("hub.challenge")
	if !knows || string(asked.Peek("hub.mode")) != "subscribe" || len(challenge) == 0 {
		rc.SetStatusCode(fasthttp.StatusForbidden)
		return
	}
	rc.SetContentType("text/plain; charset=utf-8")
	rc.SetBody(challenge)
}

// tell answers a webhook, counts it and writes its line.
func (i *Ingress) tell(rc *fasthttp.RequestCtx, r result) {
	rc.SetStatusCode(statusOf(r))
	if statusOf(r) == fasthttp.StatusServiceUnavailable {
		rc.Response.Header.Set("Retry-After", "1")
	}
	took := time.Since(rc.Time())
	i.Metrics.Webhook(string(r), took)
	i.Log.Debug().Str("result", string(r)).Int("bytes", rc.Request.Header.ContentLength()).Dur("took", took).Msg("webhook")
}
