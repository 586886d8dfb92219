// Package configs is what an operator may decide: one typed Config, read from defaults, a file, the environment and flags,
// checked as a whole. A comment here is the documentation of its key. It opens nothing but the files that it is told of.
package configs

import "net/netip"

// Config is the whole configuration. Load gives one that is valid; nothing changes it afterwards.
type Config struct {
	DataDir  string    `yaml:"data_dir"` // folder of the embedded Kafka and Redis, made where it is missing
	Public   Public    `yaml:"public"`   // the listener that the world reaches: webhooks and pages
	Private  Private   `yaml:"private"`  // the listener for colleagues: API, console, metrics
	Roles    []string  `yaml:"roles"`    // what runs in this process: ingress, pipeline, sender, console
	Prefix   string    `yaml:"prefix"`   // before every topic, group, transactional id and Redis key, so that several installations may share servers
	Shards   int       `yaml:"shards"`   // fixed when an installation is made; 0: 2 where Kafka is embedded, else 64
	Kafka    Kafka     `yaml:"kafka"`    // where what happened is kept
	Redis    Redis     `yaml:"redis"`    // where what is in force is looked up
	Operator Operator  `yaml:"operator"` // who runs this gateway
	Webcall  Webcall   `yaml:"webcall"`  // calls to customers' own addresses
	Meta     Meta      `yaml:"meta"`     // Meta's side: Graph and our apps there
	Accounts []Account `yaml:"accounts"` // who sends through this gateway; what stands here can't be changed by API
	Limits   Limits    `yaml:"limits"`   // how much is taken in
	Log      Log       `yaml:"log"`      // what is told on stderr
}

// The roles, which can run apart and in any number.
const (
	RoleIngress  = "ingress"  // takes webhooks in
	RolePipeline = "pipeline" // understands them and owns shards
	RoleSender   = "sender"   // owns lanes and calls Meta
	RoleConsole  = "console"  // API and console
)

// Public is the public listener.
type Public struct {
	Listen  string `yaml:"listen"`   // host:port; port 0 takes a free one
	BaseURL string `yaml:"base_url"` // how the world sees us, for links in pages and messages, as https://gate.example.com
}

// Private is the private listener.
type Private struct {
	Listen string `yaml:"listen"` // host:port; port 0 takes a free one
	Pprof  bool   `yaml:"pprof"`  // lets operators' tokens profile this process at /debug/pprof
}

// Operator is who runs the gateway. Pages show everything here but the tokens.
type Operator struct {
	Name           string          `yaml:"name"`            // of the business or person
	SupportAddress string          `yaml:"support_address"` // e-mail address or URL for questions
	PrivacyURL     string          `yaml:"privacy_url"`     // privacy policy
	TermsURL       string          `yaml:"terms_url"`       // terms of use
	Tokens         []OperatorToken `yaml:"tokens"`          // may read what spans accounts: tail, dead, doctor, ledger verify
}

// OperatorToken lets its bearer read across accounts.
type OperatorToken struct {
	Name  string `yaml:"name"`  // for logs
	Token Secret `yaml:"token"` // the bearer token, as long and random as a password
}

// Webcall says where calls to customers' own addresses may go.
type Webcall struct {
	Allow []netip.Prefix `yaml:"allow"` // private networks that customers' URLs may reach, as 10.1.0.0/16; public ones always may
}

// Meta is Meta's side.
type Meta struct {
	GraphURL string `yaml:"graph_url"` // Graph with its version; http only on this machine, where a simulator may stand
	Apps     []App  `yaml:"apps"`      // our apps; without one no webhook can be verified
}

// App is one app at Meta.
type App struct {
	ID          string   `yaml:"id"`           // our name for it, in the path /webhooks/meta/{id}
	VerifyToken Secret   `yaml:"verify_token"` // as entered in Meta's dashboard beside the callback URL
	Secrets     []Secret `yaml:"secrets"`      // app secrets, the current one first; each may have signed a webhook
}

// Limits bounds what is taken in.
type Limits struct {
	WebhookBytes  int `yaml:"webhook_bytes"`   // largest body of a webhook; a larger one is answered 413
	WebhookMemory int `yaml:"webhook_memory"`  // bytes of webhooks in hand at the same time; one more is answered 503 with Retry-After
	APIPerMinute  int `yaml:"api_per_minute"`  // calls a minute of one API token over all replicas
	PushPerMinute int `yaml:"push_per_minute"` // Picky-compatible pushes a minute of one account over all replicas
}

// Log says what is told on stderr, one JSON object a line.
type Log struct {
	Level string `yaml:"level"` // debug, info, warn or error
}

// MaxWebhook is the largest webhook that Meta sends, in bytes.
const MaxWebhook = 3 << 20

func (c *Config) defaults() {
	*c = Config{
		DataDir: "./data",
		Public:  Public{Listen: "127.0.0.1:8080"},
		Private: Private{Listen: "127.0.0.1:8081"},
		Roles:   []string{RoleIngress, RolePipeline, RoleSender, RoleConsole},
		Prefix:  "optgate.",
		Kafka:   Kafka{EmbeddedSync: true},
		Meta:    Meta{GraphURL: "https://graph.facebook.com/v26.0"},
		Limits:  Limits{WebhookBytes: MaxWebhook, WebhookMemory: 64 << 20, APIPerMinute: 600, PushPerMinute: 90},
		Log:     Log{Level: "info"},
	}
}

const (
	embeddedShards = 2 // the embedded Kafka's latency grows with them
	servedShards   = 64
)

// settle fills in what depends on other keys.
func (c *Config) settle() {
	if c.Shards == 0 {
		c.Shards = servedShards
		if c.Kafka.Embedded() {
			c.Shards = embeddedShards
		}
	}
}
