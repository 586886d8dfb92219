package ingress_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/gateway/ingress"
	"optgate/gateway/meta"
	"optgate/pipeline/stream"
)

func TestSignatureVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/signature_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name      string `json:"name"`
		Secret    string `json:"app_secret"`
		Body      []byte `json:"raw_body_base64"`
		Signature string `json:"x_hub_signature_256"`
		Expect    string `json:"expect"`
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		d := open(t, func(o *ingress.Options) {
			o.Apps = []ingress.App{{ID: "main", Secrets: [][]byte{[]byte("current"), []byte(v.Secret)}}}
		})
		want := map[string]int{"": 200, "reject": 401}[v.Expect]
		status, _, _ := d.do(t, "POST", "/webhooks/meta", v.Signature, string(v.Body))
		if want != 0 && status != want {
			t.Errorf("%s: %d, not %d", v.Name, status, want)
		}
		kept := d.log.records()
		if status != 200 && len(kept) > 0 {
			t.Errorf("%s: refused and kept", v.Name)
		}
		if status == 200 && len(v.Body) > 0 && (len(kept) != 1 || string(kept[0].Value) != string(v.Body)) {
			t.Errorf("%s: not kept as it came", v.Name)
		}
	}
}

func TestOnlyTheAppsOwnSecretsSign(t *testing.T) {
	for _, f := range []struct {
		path, key string
		status    int
	}{
		{"/webhooks/meta", secret, 200},
		{"/webhooks/meta", previous, 200},
		{"/webhooks/meta", others, 200},
		{"/webhooks/meta/main", previous, 200},
		{"/webhooks/meta/main", others, 401},
		{"/webhooks/meta/other", others, 200},
		{"/webhooks/meta/other", secret, 401},
		{"/webhooks/meta/other", "", 401},
		{"/webhooks/meta", "stranger", 401},
		{"/webhooks/meta/nobody", secret, 404},
	} {
		d := open(t, nil)
		if status := d.deliver(t, f.path, f.key, greeting); status != f.status || len(d.log.records()) != map[int]int{200: 1}[status] {
			t.Errorf("%s signed by %q: %d, %d kept", f.path, f.key, status, len(d.log.records()))
		}
	}
}

func TestWhatIsKept(t *testing.T) {
	two := strings.Replace(greeting, `"text":{"body":"velvet otter"}}`, `"text":{"body":"1"}},{"id":"wamid.Y","type":"text"}`, 1)
	head := []stream.Header{{Key: "v", Value: "1"}, {Key: "app", Value: "main"}, {Key: "received_at", Value: "1794300000123"}}
	letter := func(reason string) []stream.Header {
		return []stream.Header{
			head[0], {Key: "source", Value: "ingress"}, head[1], {Key: "reason", Value: reason}, head[2],
		}
	}
	spoilt := strings.Replace(greeting, "velvet otter", "velvet\x00otter", 1) // no JSON, but one can see who wrote
	item := func(key, value string) stream.Record {
		return stream.Record{Topic: stream.Inbound, Partition: stream.Anywhere, Key: []byte(key), Value: []byte(value), Headers: head}
	}
	dead := func(value, reason string) stream.Record {
		return stream.Record{
			Topic: stream.Dead, Partition: stream.AnyPartition, Key: []byte("ingress"), Value: []byte(value), Headers: letter(reason),
		}
	}
	for name, f := range map[string]struct {
		body, result string
		want         []stream.Record
	}{
		"one item":    {greeting, "kept", []stream.Record{item("447700900001", greeting)}},
		"nothing":     {"", "empty", nil},
		"a bare NUL":  {spoilt, "kept", []stream.Record{item("447700900001", spoilt)}},
		"no JSON":     {"{not json", "dead", []stream.Record{dead("{not json", "not_json")}},
		"bytes":       {"\xff\xfe\x00", "dead", []stream.Record{dead("\xff\xfe\x00", "not_json")}},
		"no envelope": {"[]", "dead", []stream.Record{dead("[]", "not_envelope")}},
		"no entry": {
			`{"object":"whatsapp_business_account","entry":[]}`, "dead",
			[]stream.Record{dead(`{"object":"whatsapp_business_account","entry":[]}`, "empty_envelope")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, nil)
			if status := d.deliver(t, "/webhooks/meta/main", secret, f.body); status != 200 {
				t.Errorf("status %d", status)
			}
			if diff := cmp.Diff(f.want, d.log.records()); diff != "" {
				t.Error(diff)
			}
			if d.counts.get(f.result) != 1 {
				t.Errorf("counted: %v", d.counts.of)
			}
		})
	}
	t.Run("a batch that broke off", func(t *testing.T) {
		d := open(t, nil)
		torn := two[:len(two)-len(`]}}]}]}`)-5]
		if status := d.deliver(t, "/webhooks/meta/main", secret, torn); status != 200 {
			t.Errorf("status %d", status)
		}
		records := d.log.records()
		if len(records) != 3 || string(records[0].Key) != "447700900001" || records[1].Topic != stream.Inbound || records[1].Header("reason") != "" {
			t.Fatalf("%+v", records)
		}
		if diff := cmp.Diff(dead(torn, "not_json"), records[2]); diff != "" {
			t.Error(diff)
		}
		if in, err := meta.Decode(records[0].Value); err != nil || !in.Acts {
			t.Errorf("what was whole is %+v, %v", in, err)
		}
		if _, err := meta.Decode(records[1].Value); err == nil {
			t.Error("what was torn is understood")
		}
		if d.counts.get("dead") != 1 || d.counts.get("dead not_json") != 1 {
			t.Errorf("counted: %v", d.counts.of)
		}
	})
	t.Run("two items", func(t *testing.T) {
		d := open(t, nil)
		if status := d.deliver(t, "/webhooks/meta", secret, two); status != 200 {
			t.Errorf("status %d", status)
		}
		kept := d.log.records()
		if len(kept) != 2 || string(kept[0].Key) != "447700900001" || len(kept[1].Key) == 0 || kept[1].Header("app") != "main" { // whose secret signed
			t.Errorf("%+v", kept)
		}
	})
}

func TestNoAnswerBeforeTheAcknowledgement(t *testing.T) {
	asked, acknowledge := make(chan struct{}), make(chan struct{})
	d := open(t, nil)
	d.log.publish = func(context.Context) error {
		close(asked)
		<-acknowledge
		return nil
	}
	answered := make(chan int, 1)
	go func() { answered <- d.deliver(t, "/webhooks/meta", secret, greeting) }()
	<-asked
	select {
	case status := <-answered:
		t.Fatalf("answered %d before the acknowledgement", status)
	case <-time.After(50 * time.Millisecond):
	}
	close(acknowledge)
	if status := <-answered; status != 200 {
		t.Error(status)
	}
}

func TestWhatIsNotAcknowledgedIsToldToComeBack(t *testing.T) {
	for name, publish := range map[string]func(context.Context) error{
		"refused": func(context.Context) error { return errors.New("kafka is away") },
		"too slow": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		for _, body := range []string{greeting, "{not json"} {
			t.Run(name, func(t *testing.T) {
				d := open(t, func(o *ingress.Options) { o.Keep = 20 * time.Millisecond })
				d.log.publish = publish
				status, _, header := d.do(t, "POST", "/webhooks/meta", meta.Sign([]byte(secret), []byte(body)), body)
				if status != 503 || header.Get("Retry-After") == "" || d.counts.get("unavailable") != 1 || d.counts.get("dead") != 0 {
					t.Errorf("%d %v, counted %v", status, header, d.counts.of)
				}
			})
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	const most = 3 << 20
	filled := func(n int) string {
		return strings.Replace(greeting, "velvet otter", strings.Repeat("x", n-len(greeting)+len("velvet otter")), 1)
	}
	d := open(t, nil)
	if status := d.deliver(t, "/webhooks/meta", secret, filled(most)); status != 200 || len(d.log.records()[0].Value) != most {
		t.Errorf("3 MiB: %d", status)
	}
	if status := d.deliver(t, "/webhooks/meta", secret, filled(most+1)); status != 413 {
		t.Errorf("3 MiB and a byte: %d", status)
	}
	for n, want := range map[int]int{most: 200, most + 1: 413} {
		body := filled(n)
		req, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"/webhooks/meta", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Hub-Signature-256", meta.Sign([]byte(secret), []byte(body)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes in chunks: %d", n, resp.StatusCode)
		}
	}
	if d.counts.get("too_large") != 2 || d.counts.get("kept") != 2 {
		t.Errorf("counted: %v", d.counts.of)
	}
}

func TestTooMuchInHandIsToldToComeBack(t *testing.T) {
	asked, acknowledge := make(chan struct{}), make(chan struct{})
	d := open(t, func(o *ingress.Options) { o.InFlight = len(greeting) + 10 })
	d.log.publish = func(context.Context) error {
		asked <- struct{}{}
		<-acknowledge
		return nil
	}
	answered := make(chan int, 2)
	go func() { answered <- d.deliver(t, "/webhooks/meta", secret, greeting) }()
	<-asked
	status, _, header := d.do(t, "POST", "/webhooks/meta", meta.Sign([]byte(secret), []byte(greeting)), greeting)
	if status != 503 || header.Get("Retry-After") == "" || d.counts.get("busy") != 1 {
		t.Errorf("%d %v", status, header)
	}
	acknowledge <- struct{}{}
	if status := <-answered; status != 200 {
		t.Error(status)
	}
	go func() { answered <- d.deliver(t, "/webhooks/meta", secret, greeting) }()
	<-asked
	acknowledge <- struct{}{}
	if status := <-answered; status != 200 {
		t.Errorf("when there was room again: %d", status)
	}
}

func TestABodyThatIsOnlyAnnouncedTakesNoRoom(t *testing.T) {
	d := open(t, func(o *ingress.Options) { o.InFlight = 2 * len(greeting) })
	for range 5 {
		from := d.talk(t, "POST /webhooks/meta HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: "+
			meta.Sign([]byte(secret), nil)+"\r\nContent-Length: 3000000\r\nExpect: 100-continue\r\n\r\n")
		if line, err := from.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // it is being read
			t.Fatalf("%q %v", line, err)
		}
	}
	if status := d.deliver(t, "/webhooks/meta", secret, greeting); status != 200 {
		t.Error(status)
	}
}

func TestEveryPayloadIsKept(t *testing.T) {
	files, err := filepath.Glob("../meta/testdata/payloads/*.json")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d payloads, %v", len(files), err)
	}
	d := open(t, nil)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		before := len(d.log.records())
		if status := d.deliver(t, "/webhooks/meta", secret, string(raw)); status != 200 || len(d.log.records()) == before {
			t.Errorf("%s: %d, %d kept", filepath.Base(name), status, len(d.log.records())-before)
		}
	}
}

func TestNothingPersonalIsLogged(t *testing.T) {
	d := open(t, nil)
	d.deliver(t, "/webhooks/meta", secret, greeting)
	d.deliver(t, "/webhooks/meta", secret, greeting+"}")
	d.deliver(t, "/webhooks/meta", "stranger", greeting)
	d.do(t, "GET", "/webhooks/meta?hub.mode=subscribe&hub.challenge=velvet&hub.verify_token=verify-main", "", "")
	d.log.publish = func(context.Context) error { return errors.New("away") }
	d.deliver(t, "/webhooks/meta", secret, greeting)
	if said := d.said.String(); said == "" || strings.Contains(said, "velvet") || strings.Contains(said, "4477") ||
		strings.Contains(said, "verify-main") || strings.Contains(said, secret) || strings.Contains(said, "wamid") {
		t.Errorf("logged: %s", said)
	}
}
