package webcall

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"optgate/pipeline/fault"
)

// names resolves from a table; each look takes the next answer, the last one again and again.
type names map[string][][]string

func (n names) LookupNetIP(_ context.Context, _, host string) (all []netip.Addr, err error) {
	answers := n[host]
	if len(answers) == 0 {
		return nil, errors.New("no such host")
	}
	if len(answers) > 1 {
		n[host] = answers[1:]
	}
	for _, text := range answers[0] {
		all = append(all, netip.MustParseAddr(text))
	}
	return all, nil
}

func code(err error) string {
	if err == nil {
		return ""
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Code
	}
	return "unclassified"
}

func TestWhatMayBeCalled(t *testing.T) {
	c := New(Options{
		Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")},
		Resolver: names{
			"example.com": {{"93.184.215.14", "2606:2800:21f:cb07::1"}}, "localhost": {{"127.0.0.1"}}, "inside": {{"10.1.2.3"}},
			"mixed.example": {{"93.184.215.14", "127.0.0.1"}}, "mapped.example": {{"::ffff:127.0.0.1"}}, "nat64.example": {{"64:ff9b::7f00:1"}},
			"nothing.example": {{}},
		},
	})
	for target, want := range map[string]string{
		"https://example.com/hook?x=1":          "",
		"http://EXAMPLE.com.:8080/":             "",
		"https://93.184.215.14/":                "",
		"https://[2606:2800:21f:cb07::1]:8443/": "",
		"http://10.1.255.1/":                    "",
		"http://[fd00:1::5]/":                   "",
		"http://[::ffff:10.1.0.1]/":             "",
		"http://inside/":                        "",
		"http://nobody.example/":                "", // to be looked for at each call
		"http://nothing.example/":               "",

		"":                                                 "bad_url",
		"example.com/hook":                                 "bad_url",
		"ftp://example.com/":                               "bad_url",
		"file:///etc/passwd":                               "bad_url",
		"gopher://example.com/":                            "bad_url",
		"http:example.com":                                 "bad_url",
		"https://user:pw@example.com/":                     "bad_url",
		"https://example.com@127.0.0.1":                    "bad_url",
		"https:///path":                                    "bad_url",
		"https://example.com:0/":                           "bad_url",
		"https://example.com:/":                            "bad_url",
		"https://example.com:65536/":                       "bad_url",
		"https://example.com:+80/":                         "bad_url",
		"http://2130706433/":                               "bad_url",
		"http://017700000001/":                             "bad_url",
		"http://0x7f000001/":                               "bad_url",
		"http://0x7f.1/":                                   "bad_url",
		"http://127.1/":                                    "bad_url",
		"http://127.0.0.01/":                               "bad_url",
		"http://0177.0.0.1/":                               "bad_url",
		"http://1.2.3.4.5/":                                "bad_url",
		"http://127.0.0.1.../":                             "bad_url",
		"http://１２７.０.０.１/":                                "bad_url",
		"http://ⓛocalhost/":                                "bad_url",
		"http://exa mple.com/":                             "bad_url",
		"http://127.0.0.1%2f@x/":                           "bad_url",
		"http://[::1%25lo]/":                               "bad_url",
		"http://[fe80::1%25eth0]/":                         "bad_url",
		"http://::1/":                                      "bad_url",
		"https://" + strings.Repeat("a", 64) + ".com/":     "bad_url",
		"https://example.com/" + strings.Repeat("a", 3000): "bad_url",
		"http://example.com:25/":                           "forbidden_port",
		"http://10.1.0.1:6379/":                            "forbidden_port",
		"http://10.1.0.1:9092/":                            "forbidden_port",

		"http://localhost:8080/":           "forbidden_address",
		"http://metadata.google.internal/": "forbidden_address", // as long as nobody knows it
		"http://nobody/":                   "forbidden_address",
		"http://nobody.LOCAL./":            "forbidden_address",
		"http://router.home.arpa/":         "forbidden_address",
		"http://mixed.example/":            "forbidden_address",
		"http://mapped.example/":           "forbidden_address",
		"http://nat64.example/":            "forbidden_address",
		"http://127.0.0.1./":               "forbidden_address",
		"http://127.0.0.1/":                "forbidden_address",
		"http://0.0.0.0/":                  "forbidden_address",
		"http://0.1.2.3/":                  "forbidden_address",
		"http://10.2.0.1/":                 "forbidden_address",
		"http://172.16.0.1/":               "forbidden_address",
		"http://172.31.255.255/":           "forbidden_address",
		"http://192.168.1.1/":              "forbidden_address",
		"http://100.64.0.1/":               "forbidden_address",
		"http://169.254.169.254/":          "forbidden_address",
		"http://168.63.129.16/":            "forbidden_address",
		"http://192.0.2.1/":                "forbidden_address",
		"http://198.18.0.1/":               "forbidden_address",
		"http://224.0.0.1/":                "forbidden_address",
		"http://255.255.255.255/":          "forbidden_address",
		"http://[::]/":                     "forbidden_address",
		"http://[::1]/":                    "forbidden_address",
		"http://[::ffff:127.0.0.1]/":       "forbidden_address",
		"http://[::ffff:7f00:1]/":          "forbidden_address",
		"http://[::127.0.0.1]/":            "forbidden_address",
		"http://[::ffff:0:127.0.0.1]/":     "forbidden_address",
		"http://[64:ff9b::127.0.0.1]/":     "forbidden_address",
		"http://[64:ff9b:1::1]/":           "forbidden_address",
		"http://[2002:7f00:1::]/":          "forbidden_address",
		"http://[2001::1]/":                "forbidden_address",
		"http://[2001:db8::1]/":            "forbidden_address",
		"http://[3fff::1]/":                "forbidden_address",
		"http://[fc00::1]/":                "forbidden_address",
		"http://[fd00:2::1]/":              "forbidden_address",
		"http://[fe80::1]/":                "forbidden_address",
		"http://[fec0::1]/":                "forbidden_address",
		"http://[ff02::1]/":                "forbidden_address",
		"http://[100::1]/":                 "forbidden_address",
		"http://[5f00::1]/":                "forbidden_address",
	} {
		if got := code(c.Check(t.Context(), target)); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// FuzzURL holds that a URL that is taken means one host to us and to whoever calls it, and that no address hides in a name.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/a?b=c#d", "http://127.0.0.1.:80/", "http://[::1]:8080/", "http://0x7f.1", "http://a@b:1/", "http://a:00080/",
		"http://１.2.3.4/", "http://[fe80::1%25a]/", "http://ex%61mple.com/", "HTTPS://A.B.:443", "http://X",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parse(text)
		if err != nil {
			if code(err) == "unclassified" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := parse(u.String())
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q becomes %q, and that %v, %v", text, u, again, err)
		}
		read, err := url.Parse(u.String())
		if err != nil || read.Hostname() != u.Hostname() || read.User != nil || read.Scheme != "http" && read.Scheme != "https" {
			t.Fatalf("%q becomes %q", text, u)
		}
		last := u.Hostname()[strings.LastIndexByte(u.Hostname(), '.')+1:]
		if _, err := netip.ParseAddr(u.Hostname()); err != nil && strings.IndexAny(last, "0123456789") == 0 {
			t.Fatalf("%q: %q may be an address", text, u.Hostname())
		}
	})
}

// FuzzPublic holds that an address of IPv4 is judged alike in all its dresses, and that none that stands for another is public.
func FuzzPublic(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{93, 184, 215, 14})
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		if public(a) && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a.IsLinkLocalMulticast()) {
			t.Fatalf("%s is public", a)
		}
		if !a.Is4() {
			return
		}
		if mapped := netip.AddrFrom16(a.As16()); public(mapped) != public(a) {
			t.Fatalf("%s and %s differ", a, mapped)
		}
		four := a.As4()
		for _, prefix := range []string{"64:ff9b::", "2002::", "::"} {
			six := netip.MustParseAddr(prefix).As16()
			copy(six[12:], four[:])
			if prefix == "2002::" {
				copy(six[2:], four[:])
			}
			if dressed := netip.AddrFrom16(six); public(dressed) {
				t.Fatalf("%s hides %s", dressed, a)
			}
		}
	})
}
