package webcall

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"optgate/pipeline/fault"
)

// longestURL bounds a URL in bytes.
const longestURL = 2048

// parse reads a URL that may be called by its form: http or https, a host that is a name in ASCII or an address in its usual
// writing, a port that speaks HTTP, and no user. A dot at the host's end is taken off. Its fragment is left out.
func parse(text string) (*url.URL, error) {
	if len(text) > longestURL {
		return nil, badURL("is longer than %d bytes.", longestURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "":
		return nil, badURL("can't be read: write it as https://example.com/path.")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, badURL("must begin with https:// or http://.")
	case u.User != nil:
		return nil, badURL("must not hold a user or password: posts are signed.")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	address, notAddress := netip.ParseAddr(host)
	switch {
	case host == "":
		return nil, badURL("has no host.")
	case notAddress == nil && address.Zone() != "":
		return nil, badURL("must not name a zone.")
	case notAddress == nil && address.Is6() != strings.HasPrefix(u.Host, "["):
		return nil, badURL("has a host that can't be read.")
	case notAddress != nil && !isName(host):
		return nil, badURL("has a host that can't be read: write a name in ASCII (xn--…), or an address as 192.0.2.1 or [2001:db8::1].")
	}
	port := u.Port()
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case port == "" && strings.HasSuffix(u.Host, ":"), port != "" && (err != nil || number == 0):
		return nil, badURL("has a port that can't be read.")
	case port != "" && slices.Contains(otherPorts[:], uint16(number)):
		return nil, fault.New(fault.Unprocessable, "forbidden_port", "The URL's port %d is not one of a web server.", number)
	}
	if u.Host = host; notAddress == nil && address.Is6() {
		u.Host = "[" + host + "]"
	}
	if port != "" {
		u.Host += ":" + strconv.FormatUint(number, 10)
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

func badURL(format string, args ...any) error {
	return fault.New(fault.Unprocessable, "bad_url", "The URL "+format, args...)
}

// isName says whether a host is a name, and nothing that a resolver might take for an address in an odd writing: 127.1,
// 2130706433, 0x7f.0.0.1. As browsers do it, a host whose last part begins as a number is one.
func isName(host string) bool {
	if len(host) > 253 {
		return false
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	last := labels[len(labels)-1]
	return last[0] < '0' || last[0] > '9'
}

// isInner says whether a name is one that only private networks know: a single label, or below a domain that the internet's
// own names never are.
func isInner(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last == host || strings.HasSuffix(host, ".home.arpa") ||
		slices.Contains([]string{"internal", "local", "localhost", "localdomain", "intranet", "private", "corp", "home", "lan"}, last)
}

// otherPorts are ports of services that are not the web's, some of which take commands from whatever HTTP sends them.
var otherPorts = [...]uint16{
	1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113,
	115, 117, 119, 123, 135, 137, 138, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548,
	554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2181, 2379, 2380, 3306, 3389, 3659,
	4045, 4190, 5060, 5061, 5432, 5672, 5900, 6000, 6379, 6380, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092, 9093,
	10080, 11211, 16379, 26379, 27017,
}

// may says whether an address may be called: a public one, or one that the operator allows.
func (c *Caller) may(a netip.Addr) bool {
	a = a.Unmap()
	for _, network := range c.allow {
		if network.Contains(a) {
			return true
		}
	}
	return public(a)
}

// public says whether an address is one of the open internet. Of IPv6 only what is given out for it (2000::/3) is, without
// what stands for an address of IPv4 or for nothing.
func public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if a.Is6() && !global6.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(closed[:], func(p netip.Prefix) bool { return p.Contains(a) })
}

var global6 = netip.MustParsePrefix("2000::/3")

// closed are the networks that are not the open internet, after IANA's registries of special-purpose addresses, and one
// address by which a cloud answers its own machines.
var closed = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),         // this network
	netip.MustParsePrefix("10.0.0.0/8"),        // private
	netip.MustParsePrefix("100.64.0.0/10"),     // shared by carriers
	netip.MustParsePrefix("127.0.0.0/8"),       // loopback
	netip.MustParsePrefix("169.254.0.0/16"),    // link-local, where clouds tell their machines secrets
	netip.MustParsePrefix("172.16.0.0/12"),     // private
	netip.MustParsePrefix("192.0.0.0/24"),      // protocols
	netip.MustParsePrefix("192.0.2.0/24"),      // documentation
	netip.MustParsePrefix("192.31.196.0/24"),   // AS112
	netip.MustParsePrefix("192.52.193.0/24"),   // AMT
	netip.MustParsePrefix("192.88.99.0/24"),    // relays of 6to4
	netip.MustParsePrefix("192.168.0.0/16"),    // private
	netip.MustParsePrefix("192.175.48.0/24"),   // AS112
	netip.MustParsePrefix("198.18.0.0/15"),     // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),   // documentation
	netip.MustParsePrefix("203.0.113.0/24"),    // documentation
	netip.MustParsePrefix("224.0.0.0/4"),       // multicast
	netip.MustParsePrefix("240.0.0.0/4"),       // reserved, broadcast
	netip.MustParsePrefix("168.63.129.16/32"),  // Azure's own
	netip.MustParsePrefix("2001::/23"),         // protocols, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),     // documentation
	netip.MustParsePrefix("2002::/16"),         // 6to4
	netip.MustParsePrefix("2620:4f:8000::/48"), // AS112
	netip.MustParsePrefix("3fff::/20"),         // documentation
}
