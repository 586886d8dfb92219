package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"optgate/pipeline/fault"
)

// Role is one of the program's roles as /readyz shows it.
type Role struct {
	Name string
	// Ready gives nil when the role can do its work. Of its error only a fault's sentence is shown. It returns soon.
	Ready func(ctx context.Context) error
}

// Health answers /healthz, which says that the process lives, and /readyz, which says whether each role can work.
type Health []Role

// AsksHealth says that a request asks for either. It is an Options.Vital: whoever restarts what does not answer would otherwise
// restart what has much to do.
func AsksHealth(h *fasthttp.RequestHeader) bool {
	path := string(h.RequestURI())
	return (h.IsGet() || h.IsHead()) && (path == "/healthz" || path == "/readyz")
}

// Alive answers /healthz.
func (Health) Alive(rc *fasthttp.RequestCtx) {
	rc.SetContentType("application/json")
	rc.SetBodyString(`{"status":"alive"}` + "\n")
}

type state struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// Ready answers /readyz: 200, or 503 with Retry-After, and in both each role's state.
func (h Health) Ready(ctx context.Context, rc *fasthttp.RequestCtx) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	status, roles := "ready", map[string]state{}
	for _, r := range h {
		err := r.Ready(ctx)
		roles[r.Name] = state{Ready: err == nil, Reason: reason(err)}
		if err != nil {
			status = "not ready"
			rc.SetStatusCode(fasthttp.StatusServiceUnavailable)
			rc.Response.Header.Set("Retry-After", "1")
		}
	}
	body, err := json.Marshal(map[string]any{"status": status, "roles": roles})
	if err != nil {
		panic(err) // strings and booleans always encode
	}
	rc.SetContentType("application/json")
	rc.SetBody(append(body, '\n'))
}

func reason(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Kind != fault.Internal {
		return f.Msg
	}
	return ""
}
