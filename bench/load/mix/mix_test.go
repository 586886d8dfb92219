package mix_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"optgate/bench/load/mix"
)

var now = time.Unix(1_794_300_000, 0)

func prepare(t testing.TB, kinds string) *mix.Mix {
	t.Helper()
	m, err := mix.New(mix.Options{Kinds: kinds, Host: "gate", Path: "/webhooks/meta/main", Secret: "s3cret", First: 1_794_300_000_000_000, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// body reads a request as a server would and gives its body, checked.
func body(t *testing.T, request []byte) []byte {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		t.Fatalf("%v in %s", err, request)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/webhooks/meta/main" || r.Host != "gate" {
		t.Fatalf("%s %s of %s: %v", r.Method, r.URL, r.Host, err)
	}
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write(text)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); r.Header.Get("X-Hub-Signature-256") != want {
		t.Fatalf("signed %s, want %s", r.Header.Get("X-Hub-Signature-256"), want)
	}
	if !json.Valid(text) {
		t.Fatalf("no JSON: %s", text)
	}
	return text
}

func TestWebhooksAreSignedAndNoTwoAreAlike(t *testing.T) {
	m := prepare(t, "")
	maker, ids, senders := m.Maker(), map[string]bool{}, map[string]bool{}
	wamid, from := regexp.MustCompile(`"id":"(wamid\.SFh0ZXN0LU\d+)"`), regexp.MustCompile(`"(?:from|recipient_id)":"(4473\d+)"`)
	items, stops, all := 0, 0, 5000
	for n := range uint64(all) {
		text := body(t, maker.Make(n))
		if bytes.ContainsAny(text, "#%^") || !bytes.Contains(text, []byte(`"1794300000"`)) {
			t.Fatalf("a mark is left, or its time: %s", text)
		}
		found := wamid.FindAllSubmatch(text, -1)
		for _, id := range found {
			ids[string(id[1])] = true
		}
		for _, s := range from.FindAllSubmatch(text, -1) {
			senders[string(s[1])] = true
		}
		if first := from.FindSubmatch(text); string(first[1]) != m.Sender(n) {
			t.Fatalf("webhook %d is of %s, not of %s", n, first[1], m.Sender(n))
		}
		i, s := m.Items(n)
		if i != len(found) || s != bytes.Count(text, []byte(`"STOP"`)) {
			t.Fatalf("%d items and %d stops in %s", i, s, text)
		}
		items, stops = items+i, stops+s
	}
	if len(ids) != items || len(senders) != items {
		t.Errorf("%d items, %d ids, %d senders", items, len(ids), len(senders))
	}
	if stops != all*2/100 || items != all+all*2/100*9 {
		t.Errorf("%d items and %d stops: not the shares asked for", items, stops)
	}
}

func TestEachKindCanBeAlone(t *testing.T) {
	for _, kind := range mix.Kinds() {
		m := prepare(t, kind+"=1")
		if i, _ := m.Items(7); i < 1 {
			t.Errorf("%s has no item", kind)
		}
		body(t, m.Maker().Make(7))
	}
}

func TestTheLargestAreAsLargeAsMetaSends(t *testing.T) {
	large := prepare(t, mix.Large+"=1")
	if n := len(body(t, large.Maker().Make(3))); n != 3<<20 {
		t.Errorf("%d bytes", n)
	}
	thousand := prepare(t, mix.Thousand+"=1")
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(`"id":"wamid[^"]+"`).FindAll(body(t, thousand.Maker().Make(3)), -1) {
		ids[string(id)] = true
	}
	if items, _ := thousand.Items(3); items != 1000 || len(ids) != items {
		t.Errorf("%d items, %d ids", items, len(ids))
	}
}

func TestAWrongMixtureIsRefused(t *testing.T) {
	for _, kinds := range []string{"text", "text=0", "text=x", "text=1,", "nonsense=3", "../mix=1"} {
		if _, err := mix.New(mix.Options{Kinds: kinds}); err == nil || strings.Contains(err.Error(), "testdata") {
			t.Errorf("%q: %v", kinds, err)
		}
	}
}

// BenchmarkMake is what the generator's own work costs for each webhook, besides the network.
func BenchmarkMake(b *testing.B) {
	maker, n := prepare(b, "").Maker(), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		maker.Make(n)
		n++
	}
}
