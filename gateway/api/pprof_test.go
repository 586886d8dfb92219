package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strings"
	"testing"

	"optgate/gateway/api"
)

func profiling(o *api.Options) { o.Profiles = true }

func TestProfilesAreOffUnlessAskedFor(t *testing.T) {
	w := newWorld(t, nil)
	for _, token := range []string{"", "operator"} {
		w.call(t, token, "GET", "/debug/pprof/heap", "").is(404, "not_found")
	}
}

func TestProfilesAreForOperatorsAlone(t *testing.T) {
	w := newWorld(t, profiling)
	w.call(t, "", "GET", "/debug/pprof/heap", "").is(401, "unauthorized")
	w.call(t, "acme-admin", "GET", "/debug/pprof/heap", "").is(403, "forbidden")
	w.call(t, "operator", "GET", "/debug/pprof/heap", "").is(200, "")
	w.call(t, "operator", "GET", "/debug/pprof/cmdline", "").is(404, "unknown_profile")
	w.call(t, "operator", "GET", "/debug/pprof/profile?seconds=121", "").is(400, "invalid_field")
	w.call(t, "", "GET", "/metrics", "").is(200, "")
}

func TestProfilesShowTheProgram(t *testing.T) {
	w := newWorld(t, profiling)
	if text := w.call(t, "operator", "GET", "/debug/pprof/goroutine?text=true", "").is(200, ""); !strings.Contains(string(text.body), "httpd.(*Server)") {
		t.Errorf("goroutines: %s", text.body)
	}
	for _, path := range []string{"heap", "allocs", "profile?seconds=0.05"} {
		r := w.call(t, "operator", "GET", "/debug/pprof/"+path, "").is(200, "")
		unzipped, err := gzip.NewReader(bytes.NewReader(r.body))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		var proto bytes.Buffer
		if _, err := proto.ReadFrom(unzipped); err != nil || !bytes.Contains(proto.Bytes(), []byte("nanoseconds")) && !bytes.Contains(proto.Bytes(), []byte("bytes")) {
			t.Errorf("%s: %v, no profile", path, err)
		}
	}
	if r := w.call(t, "operator", "GET", "/debug/pprof/trace?seconds=0.05", "").is(200, ""); !bytes.HasPrefix(r.body, []byte("go 1.")) {
		t.Errorf("trace begins with %.20q", r.body)
	}
}

// A profile that nobody waits for any more must not keep others from being taken.
func TestAProfileEndsWithItsCaller(t *testing.T) {
	w := newWorld(t, profiling)
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/debug/pprof/profile?seconds=120", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer operator")
	response, err := w.client.Do(request) // its header comes once the profile has begun
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	w.call(t, "operator", "GET", "/debug/pprof/profile?seconds=0.05", "").is(409, "profile_running")
	leave()
	for { // until its end was noticed
		if r := w.call(t, "operator", "GET", "/debug/pprof/profile?seconds=0.05", ""); r.status != 409 {
			r.is(200, "")
			return
		}
	}
}
