package httpd_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"

	"optgate/gateway/httpd"
	"optgate/pipeline/fault"
)

func TestReadyNamesTheRoleThatIsNot(t *testing.T) {
	ready := func(context.Context) error { return nil }
	away := func(context.Context) error {
		return fault.Wrap(errors.New("10.0.0.1 refused"), fault.Unavailable, "kafka_away", "Kafka can't be reached.")
	}
	inside := func(context.Context) error { return errors.New("10.0.0.1 refused") }
	for name, f := range map[string]struct {
		health httpd.Health
		status int
		want   string
	}{
		"all":  {httpd.Health{{"ingress", ready}}, 200, `{"status":"ready","roles":{"ingress":{"ready":true}}}`},
		"none": {httpd.Health{}, 200, `{"status":"ready","roles":{}}`},
		"some": {httpd.Health{{"ingress", ready}, {"pipeline", away}, {"sender", inside}}, 503,
			`{"status":"not ready","roles":{"ingress":{"ready":true},"sender":{"ready":false},
			  "pipeline":{"ready":false,"reason":"Kafka can't be reached."}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			var rc fasthttp.RequestCtx
			f.health.Ready(t.Context(), &rc)
			var got, want any
			if err := json.Unmarshal(rc.Response.Body(), &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(f.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" || rc.Response.StatusCode() != f.status {
				t.Errorf("%d %s", rc.Response.StatusCode(), diff)
			}
		})
	}
}

func TestAliveSaysOnlyThatTheProcessIs(t *testing.T) {
	var rc fasthttp.RequestCtx
	httpd.Health{{"pipeline", func(context.Context) error { return errors.New("away") }}}.Alive(&rc)
	if rc.Response.StatusCode() != 200 {
		t.Error(rc.Response.StatusCode())
	}
}
