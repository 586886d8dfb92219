package configs

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// problems gives every value that can't be right, save where something is known to be wrong already.
func (c *Config) problems(known Problems) Problems {
	k := &checker{known: known, first: map[string]string{}}
	k.house(c)
	k.kafka(&c.Kafka)
	k.redis(&c.Redis)
	k.operator(&c.Operator)
	k.meta(&c.Meta)
	k.accounts(c.Accounts)
	k.limits(&c.Limits)
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	return k.found
}

// checker collects what is wrong.
type checker struct {
	known Problems
	found Problems
	first map[string]string // kind and value of what must be unique → path of its first use
}

func (k *checker) badf(path, format string, args ...any) {
	if !k.known.about(path) {
		k.found.addf(path, format, args...)
	}
}

func (k *checker) house(c *Config) {
	if c.DataDir == "" {
		k.badf("data_dir", "must name a folder, as ./data")
	}
	k.listen("public.listen", c.Public.Listen)
	k.listen("private.listen", c.Private.Listen)
	if _, port, err := net.SplitHostPort(c.Public.Listen); err == nil && port != "0" && c.Public.Listen == c.Private.Listen {
		k.badf("private.listen", "is the same as public.listen: give it another port")
	}
	if c.Private.Pprof && len(c.Operator.Tokens) == 0 {
		k.badf("private.pprof", "is of no use without a token in operator.tokens")
	}
	k.url("public.base_url", c.Public.BaseURL)
	if len(c.Roles) == 0 {
		k.badf("roles", "must name at least one of ingress, pipeline, sender, console")
	}
	for i, role := range c.Roles {
		path := at("roles", i)
		k.oneOf(path, role, RoleIngress, RolePipeline, RoleSender, RoleConsole)
		k.unique(path, "role", role)
	}
	k.id("prefix", c.Prefix)
	if c.Shards < 0 || c.Shards > maxShards {
		k.badf("shards", "must be from 1 to %d, or 0 for the default", maxShards)
	}
	for i, network := range c.Webcall.Allow {
		k.network(at("webcall.allow", i), network)
	}
}

const maxShards = 1024

func (k *checker) operator(o *Operator) {
	if a := o.SupportAddress; a != "" && !isMail(a) && !isURL(a) {
		k.badf("operator.support_address", "must be an e-mail address or a URL, as help@example.com")
	}
	k.url("operator.privacy_url", o.PrivacyURL)
	k.url("operator.terms_url", o.TermsURL)
	for i, t := range o.Tokens {
		path := at("operator.tokens", i)
		k.name(path+".name", t.Name)
		k.unique(path+".name", "operator token", t.Name)
		k.token(path+".token", t.Token)
	}
}

func (k *checker) meta(m *Meta) {
	graph, err := url.Parse(m.GraphURL)
	switch {
	case err != nil || !isURL(m.GraphURL):
		k.badf("meta.graph_url", "must be a URL with Graph's version, as https://graph.facebook.com/v26.0")
	case graph.Scheme == "http" && !isHere(graph.Hostname()):
		k.badf("meta.graph_url", "must be https: access tokens travel there; http is only for a simulator on this machine")
	}
	for i, app := range m.Apps {
		path := at("meta.apps", i)
		k.id(path+".id", app.ID)
		k.unique(path+".id", "app", app.ID)
		k.secret(path+".verify_token", app.VerifyToken)
		if len(app.Secrets) == 0 {
			k.badf(path+".secrets", "must hold the app's secret, from its dashboard")
		}
		for j, secret := range app.Secrets {
			k.secret(at(path+".secrets", j), secret)
		}
	}
}

func (k *checker) limits(l *Limits) {
	k.between("limits.webhook_bytes", l.WebhookBytes, 1024, MaxWebhook)
	k.between("limits.webhook_memory", l.WebhookMemory, l.WebhookBytes, 64<<30)
	k.between("limits.api_per_minute", l.APIPerMinute, 1, 1_000_000)
	k.between("limits.push_per_minute", l.PushPerMinute, 1, 1_000_000)
}

func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

var idForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (k *checker) id(path, id string) {
	if !idForm.MatchString(id) {
		k.badf(path, "must be 1 to 64 letters, digits, dots, underscores or dashes")
	}
}

// unique finds the second use of a value that may stand once only.
func (k *checker) unique(path, kind, value string) {
	if value == "" {
		return
	}
	first, ok := k.first[kind+" "+value]
	if ok {
		k.badf(path, "is the same as %s: give it another value or remove one of the two", first)
		return
	}
	k.first[kind+" "+value] = path
}

func (k *checker) name(path, name string) {
	if strings.TrimSpace(name) == "" || len([]rune(name)) > 64 {
		k.badf(path, "must be a name of 1 to 64 characters")
	}
}

func (k *checker) secret(path string, s Secret) {
	switch s.Reveal() {
	case "":
		k.badf(path, "must not be empty")
	case Redacted:
		k.badf(path, "is what config show prints for a secret: put the secret itself here")
	}
}

// token checks a bearer token: what HTTP headers can carry, and not two tokens alike.
func (k *checker) token(path string, s Secret) {
	k.secret(path, s)
	for _, r := range s.Reveal() {
		if r <= ' ' || r > '~' {
			k.badf(path, "must be letters, digits and signs of ASCII without spaces, as openssl rand -hex 24 gives")
			return
		}
	}
	k.unique(path, "token", s.Reveal())
}

func (k *checker) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		k.badf(path, "must be one of %s", strings.Join(allowed, ", "))
	}
}

func (k *checker) between(path string, value, low, high int) {
	if value < low || value > high {
		k.badf(path, "must be from %d to %d", low, high)
	}
}

func (k *checker) listen(path, address string) {
	if _, ok := port(address); !ok {
		k.badf(path, "must be host:port, as 127.0.0.1:8080; port 0 takes a free one")
	}
}

// servers checks addresses of Kafka or Redis.
func (k *checker) servers(path, kind string, addresses []string) {
	for i, address := range addresses {
		host, _, _ := net.SplitHostPort(address)
		if number, ok := port(address); !ok || number == 0 || host == "" {
			k.badf(at(path, i), "must be host:port, as %s", kind)
			continue
		}
		k.unique(at(path, i), kind, address)
	}
}

func port(address string) (number uint16, ok bool) {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, false
	}
	parsed, err := strconv.ParseUint(text, 10, 16)
	return uint16(parsed), err == nil
}

func (k *checker) url(path, text string) {
	if text != "" && !isURL(text) {
		k.badf(path, "must be a URL with http or https and a host, as https://gate.example.com")
	}
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil &&
		u.RawQuery == "" && u.Fragment == ""
}

func isMail(text string) bool {
	address, err := mail.ParseAddress(text)
	return err == nil && address.Address == text
}

// isHere says whether a host is this machine.
func isHere(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

func (k *checker) network(path string, network netip.Prefix) {
	if network.IsValid() && network != network.Masked() {
		k.badf(path, "has bits after its length: write %s", network.Masked())
	}
}
