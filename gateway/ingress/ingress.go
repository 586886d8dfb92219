// Package ingress is the public listener: it lets Meta's webhooks in, checks who signed them, keeps every item, and only
// then answers 200. It understands no more of a webhook than where its items begin and end. Beside that it shows the pages
// of unsubscribe links, and keeps each press.
package ingress

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
	"optgate/gateway/meta"
	"optgate/pipeline/stream"
)

// Options is all that the listener stands on.
type Options struct {
	Apps      []App
	Publisher stream.Publisher
	Metrics   metrics
	Health    httpd.Health  // of the roles that run here
	MaxBody   int           // of a webhook, in bytes: 3 MiB
	InFlight  int           // bytes of webhooks in hand at once; one more is told 503 with Retry-After: 64 MiB
	Keep      time.Duration // for Kafka to acknowledge a webhook; longer is 503: 5 s
	Now       func() time.Time
	Log       zerolog.Logger

	Unsubscribe Unsubscribe
}

// App is one app at Meta.
type App struct {
	ID          string // in the path /webhooks/meta/{id}
	VerifyToken string
	Secrets     [][]byte // each may have signed
}

// metrics counts what came of webhooks. It takes no identifier.
type metrics interface {
	// Webhook tells how one POST ended (see result) and how long its answer took from its header on.
	Webhook(result string, took time.Duration)
	// Dead counts a body that went to dead.
	Dead(reason string)
	// Link counts one request for an unsubscribe link by how it ended; see linkResult.
	Link(result string)
}

// result is how a webhook ended: the label of optgate_webhooks_total.
type result string

// The results.
const (
	kept        result = "kept"        // 200: every item is acknowledged
	dead        result = "dead"        // 200: what is no envelope is acknowledged in dead
	empty       result = "empty"       // 200: signed, and nothing in it
	unknownApp  result = "unknown_app" // 404
	unsigned    result = "unsigned"    // 401: no header that could be a signature
	forged      result = "forged"      // 401: no secret of ours made the signature
	tooLarge    result = "too_large"   // 413
	broken      result = "broken"      // 400: the body broke off
	busy        result = "busy"        // 503: too much in hand
	unavailable result = "unavailable" // 503: not acknowledged in time
)

// Ingress answers the public listener's requests.
type Ingress struct {
	Options
	apps     map[string]bool // by id; "" is the path that names none
	signers  []*app
	visits   sync.Pool // of *visit
	turns    turns
	inFlight atomic.Int64
	deadline atomic.Pointer[deadline]
	stamp    atomic.Pointer[stamp]
	pages    pages
	showing  atomic.Int64   // pages of links that are being made
	pressing atomic.Int64   // presses of links that are being kept
	failures zerolog.Logger // sampled: one line for each webhook would bury the log while Kafka is away
}

// app is an App with its secrets prepared.
type app struct {
	App
	verifier *meta.Verifier
}

// version is that of each record, as its header has it.
var version = strconv.Itoa(stream.Version)

// New makes an Ingress.
func New(o Options) *Ingress {
	o.MaxBody = cmp.Or(o.MaxBody, 3<<20)
	o.InFlight = cmp.Or(o.InFlight, 64<<20)
	o.Keep = cmp.Or(o.Keep, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	i := &Ingress{Options: o, apps: map[string]bool{"": true}, pages: newPages()}
	i.failures = o.Log.Sample(&zerolog.BurstSampler{Burst: 5, Period: 10 * time.Second})
	for _, a := range o.Apps {
		i.apps[a.ID] = true
		i.signers = append(i.signers, &app{a, meta.NewVerifier(a.Secrets)})
	}
	return i
}

const webhooks = "/webhooks/meta"

// Handle answers one request. It is an httpd.Handler.
func (i *Ingress) Handle(ctx context.Context, rc *fasthttp.RequestCtx) {
	switch path := rc.Path(); string(path) {
	case "/healthz":
		if allow(rc, "GET", "HEAD") {
			i.Health.Alive(rc)
		}
	case "/readyz":
		if allow(rc, "GET", "HEAD") {
			i.Health.Ready(ctx, rc)
		}
	default:
		if token, ok := bytes.CutPrefix(path, []byte(links)); ok && i.Unsubscribe.Accounts != nil {
			i.unsubscribe(ctx, rc, string(token))
			return
		}
		app, ok := appOf(path)
		switch {
		case !ok:
			rc.SetStatusCode(fasthttp.StatusNotFound)
		case rc.IsPost():
			i.webhook(ctx, rc, app)
		case allow(rc, "GET", "POST"):
			i.handshake(rc, app)
		}
	}
}

// appOf gives the app that a path of webhooks names; nothing where it names none and any may have sent it.
func appOf(path []byte) (app []byte, ok bool) {
	if len(path) < len(webhooks) || string(path[:len(webhooks)]) != webhooks {
		return nil, false
	}
	rest := path[len(webhooks):]
	if len(rest) == 0 {
		return nil, true
	}
	return rest[1:], rest[0] == '/' && len(rest) > 1 && bytes.IndexByte(rest[1:], '/') < 0
}

// allow answers 405 to every method but these.
func allow(rc *fasthttp.RequestCtx, methods ...string) bool {
	if slices.Contains(methods, string(rc.Method())) {
		return true
	}
	rc.SetStatusCode(fasthttp.StatusMethodNotAllowed)
	rc.Response.Header.Set("Allow", strings.Join(methods, ", "))
	return false
}
