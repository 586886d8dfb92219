package meta_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"optgate/gateway/meta"
)

type vector struct {
	Name      string `json:"name"`
	Secret    string `json:"app_secret"`
	Body      []byte `json:"raw_body_base64"`
	Signature string `json:"x_hub_signature_256"`
	Expect    string `json:"expect"`
}

func TestSignatureVectors(t *testing.T) {
	var vectors []vector
	if err := json.Unmarshal(read(t, "testdata/signature_vectors.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 10 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		want := v.Expect != "reject" // upper case digits are the same bytes
		secrets := [][]byte{[]byte("an older secret"), []byte(v.Secret), []byte("a newer one")}
		verifier := meta.NewVerifier(secrets)
		for range 3 { // what was used for one body is used for the next
			if got := verifier.Verify([]byte(v.Signature), v.Body); got != want {
				t.Errorf("%s: verified %v, want %v", v.Name, got, want)
			}
		}
		if want && meta.NewVerifier([][]byte{[]byte("a stranger's")}).Verify([]byte(v.Signature), v.Body) {
			t.Errorf("%s: verified by a stranger's secret", v.Name)
		}
		if want && meta.NewVerifier(secrets).Verify([]byte(v.Signature), append([]byte(" "), v.Body...)) {
			t.Errorf("%s: verified over other bytes", v.Name)
		}
	}
}

func TestAnEmptySecretSignsNothing(t *testing.T) {
	body := []byte(`{"object":"page"}`)
	if meta.NewVerifier([][]byte{nil, {}}).Verify([]byte(meta.Sign(nil, body)), body) {
		t.Error("verified by an empty secret")
	}
	if meta.NewVerifier(nil).Verify([]byte(meta.Sign([]byte("s"), body)), body) {
		t.Error("verified without a secret")
	}
}

func TestWellFormed(t *testing.T) {
	right := meta.Sign([]byte("s"), nil)
	if !meta.WellFormed([]byte(right)) {
		t.Errorf("%q is refused", right)
	}
	for _, wrong := range []string{
		"", "sha256=", "sha1=" + right[7:], right[7:], right[:40], right + "0", " " + right, "sha256=" + strings.Repeat("g", 64),
		"SHA256=" + right[7:], strings.Repeat("0", 71),
	} {
		if meta.WellFormed([]byte(wrong)) {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestSameToken(t *testing.T) {
	for _, c := range []struct {
		given, configured string
		same              bool
	}{
		{"token", "token", true}, {"toke", "token", false}, {"token ", "token", false}, {"", "token", false},
		{"", "", false}, {"x", "", false}, {strings.Repeat("long", 1000), "token", false},
	} {
		if got := meta.SameToken(c.given, c.configured); got != c.same {
			t.Errorf("SameToken(%q, %q) = %v", c.given, c.configured, got)
		}
	}
}

// BenchmarkVerify shows what the pool buys: all 12 allocations, and two thirds of the time for a small body.
func BenchmarkVerify(b *testing.B) {
	body := read(b, "testdata/payloads/text.json")
	header := []byte(meta.Sign([]byte("secret"), body))
	for _, pooled := range []bool{true, false} {
		b.Run(fmt.Sprintf("pooled=%v", pooled), func(b *testing.B) {
			secrets := [][]byte{[]byte("secret")}
			verifier := meta.NewVerifier(secrets)
			verify := func() bool { return verifier.Verify(header, body) }
			if !pooled {
				verify = func() bool { return meta.NewVerifier(secrets).Verify(header, body) }
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if !verify() {
					b.Fatal("not verified")
				}
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("secret"), []byte("sha256=00"), []byte("{}"))
	f.Add([]byte("secret"), []byte(meta.Sign([]byte("secret"), []byte("{}"))), []byte("{}"))
	f.Fuzz(func(t *testing.T, secret, header, body []byte) {
		signed := strings.EqualFold(meta.Sign(secret, body), string(header)) && strings.HasPrefix(string(header), "sha256=")
		if got := meta.NewVerifier([][]byte{secret}).Verify(header, body); got != (signed && len(secret) > 0) {
			t.Errorf("verified %v, signed %v", got, signed)
		}
		if meta.NewVerifier([][]byte{secret}).Verify(header, body) && !meta.WellFormed(header) {
			t.Error("verified what is not well formed")
		}
	})
}
