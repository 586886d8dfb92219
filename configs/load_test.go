package configs_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"optgate/configs"
)

// sample names every kind of value that a file may hold.
const sample = `
data_dir: /tmp/optgate
public: {listen: "127.0.0.1:0", base_url: https://gate.example.com}
private: {listen: "127.0.0.1:0"}
roles: [ingress, sender]
kafka: {brokers: ["a:9092", "b:9092"], single_copy: accepted, sasl: {mechanism: plain, username: u, password: p}}
redis: {addresses: ["r:6379"]}
operator: {name: Ada Ltd, support_address: help@example.com, tokens: [{name: root, token: root-token}]}
webcall: {allow: [10.1.0.0/16]}
meta:
  graph_url: http://127.0.0.1:9
  apps: [{id: main, verify_token: verify-me, secrets: [current, previous]}]
accounts:
  - id: acme
    tokens: [{name: ops, token: acme-token, scopes: [admin]}]
    channels:
      - {id: wa, kind: whatsapp, phone_number_id: "1555", waba_id: "1777", access_token: at, default_country: GB}
      - {id: page, kind: messenger, page_id: "1888", messages_per_second: 12.5, number: 150}
      - {id: insta, kind: instagram, instagram_id: "1999"}
`

func fromFile(t *testing.T, text string, environ ...string) (*configs.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "optgate.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return configs.Load(configs.Sources{File: file, Environ: environ})
}

func load(t *testing.T, text string, environ ...string) *configs.Config {
	t.Helper()
	c, err := fromFile(t, text, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func secret(text string) configs.Secret { return configs.NewSecret(text) }

func TestDefaultsAreAsTheContractSays(t *testing.T) {
	got, err := configs.Load(configs.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	want := &configs.Config{
		DataDir: "./data",
		Public:  configs.Public{Listen: "127.0.0.1:8080"},
		Private: configs.Private{Listen: "127.0.0.1:8081"},
		Roles:   []string{"ingress", "pipeline", "sender", "console"},
		Prefix:  "optgate.",
		Shards:  2,
		Kafka:   configs.Kafka{EmbeddedSync: true},
		Meta:    configs.Meta{GraphURL: "https://graph.facebook.com/v26.0"},
		Limits:  configs.Limits{WebhookBytes: 3 << 20, WebhookMemory: 64 << 20, APIPerMinute: 600, PushPerMinute: 90},
		Log:     configs.Log{Level: "info"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFileSetsEveryKindOfValue(t *testing.T) {
	want := &configs.Config{
		DataDir: "/tmp/optgate",
		Public:  configs.Public{Listen: "127.0.0.1:0", BaseURL: "https://gate.example.com"},
		Private: configs.Private{Listen: "127.0.0.1:0"},
		Roles:   []string{"ingress", "sender"},
		Prefix:  "optgate.",
		Shards:  64,
		Kafka: configs.Kafka{
			Brokers: []string{"a:9092", "b:9092"}, SingleCopy: "accepted", EmbeddedSync: true,
			SASL: configs.SASL{Mechanism: "plain", Username: "u", Password: secret("p")},
		},
		Redis: configs.Redis{Addresses: []string{"r:6379"}},
		Operator: configs.Operator{
			Name: "Ada Ltd", SupportAddress: "help@example.com",
			Tokens: []configs.OperatorToken{{Name: "root", Token: secret("root-token")}},
		},
		Webcall: configs.Webcall{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}},
		Meta: configs.Meta{GraphURL: "http://127.0.0.1:9", Apps: []configs.App{
			{ID: "main", VerifyToken: secret("verify-me"), Secrets: []configs.Secret{secret("current"), secret("previous")}},
		}},
		Accounts: []configs.Account{{
			ID:     "acme",
			Tokens: []configs.Token{{Name: "ops", Token: secret("acme-token"), Scopes: []string{"admin"}}},
			Channels: []configs.Channel{
				{
					ID: "wa", Kind: "whatsapp", PhoneNumberID: "1555", WABAID: "1777", AccessToken: secret("at"),
					DefaultCountry: "GB",
				},
				{ID: "page", Kind: "messenger", PageID: "1888", MessagesPerSecond: 12.5, Number: 150},
				{ID: "insta", Kind: "instagram", InstagramID: "1999"},
			},
		}},
		Limits: configs.Limits{WebhookBytes: 3 << 20, WebhookMemory: 64 << 20, APIPerMinute: 600, PushPerMinute: 90},
		Log:    configs.Log{Level: "info"},
	}
	if diff := cmp.Diff(want, load(t, sample), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestAFileMayBeJSON(t *testing.T) {
	got := load(t, `{
	"public": {"listen": "127.0.0.1:0", "base_url": "https:\/\/gate.example.com"}, "shards": 8,
	"operator": {"name": "A\\\/B \u00e9 \ud83d\ude00 \"C\""},
	"accounts": [{"id": "acme", "tokens": [], "channels": [{"id": "wa", "kind": "whatsapp", "phone_number_id": "1555",
		"messages_per_second": 1000}]}]
}`)
	if got.Public.BaseURL != "https://gate.example.com" || got.Shards != 8 || got.Accounts[0].Channels[0].MessagesPerSecond != 1000 {
		t.Errorf("%+v", got)
	}
	if got.Operator.Name != `A\/B é 😀 "C"` {
		t.Error(got.Operator.Name)
	}
}

func TestAnEmptyFileAndEmptyKeysLeaveTheDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "accounts:\npublic:\nmeta: {apps: }\n", "{}"} {
		if got := load(t, text); got.Public.Listen != "127.0.0.1:8080" || len(got.Accounts) != 0 {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestLaterSourcesWin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "optgate.yaml")
	text := "log: {level: debug}\nkafka: {brokers: [file:1]}\nredis: {addresses: [file:1]}\nshards: 3\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := configs.Load(configs.Sources{
		File: file,
		Environ: []string{
			"OPTGATE_LOG__LEVEL=warn", "OPTGATE_KAFKA__BROKERS=env:1, env:2", "OPTGATE_SHARDS=4", "HOME=/", "=odd", "odd",
			"OPTGATE_KAFKA__EMBEDDED_SYNC=false", "OPTGATE_WEBCALL__ALLOW=10.0.0.0/8,fd00::/8",
		},
		Flags: map[string]any{"log.level": "error", "shards": 5, "redis.addresses": []string{"flag:1"}, "kafka.single_copy": "accepted"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Log.Level != "error" || got.Shards != 5 || got.Kafka.EmbeddedSync || got.Kafka.SingleCopy != configs.Accepted {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"env:1", "env:2"}, got.Kafka.Brokers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"flag:1"}, got.Redis.Addresses); diff != "" {
		t.Error(diff)
	}
	if len(got.Webcall.Allow) != 2 || got.Webcall.Allow[1] != netip.MustParsePrefix("fd00::/8") {
		t.Error(got.Webcall.Allow)
	}
}

func TestTheEnvironmentReachesIntoLists(t *testing.T) {
	got := load(t, sample,
		"OPTGATE_ACCOUNTS__0__CHANNELS__0__ACCESS_TOKEN=from,the,vault",
		"OPTGATE_META__APPS__0__SECRETS=newer,current",
		"OPTGATE_ACCOUNTS__0__CHANNELS__3__ID=second", "OPTGATE_ACCOUNTS__0__CHANNELS__3__KIND=whatsapp",
		"OPTGATE_ACCOUNTS__0__CHANNELS__3__PHONE_NUMBER_ID=1556",
		"OPTGATE_ACCOUNTS__1__ID=globex",
	)
	if token := got.Accounts[0].Channels[0].AccessToken.Reveal(); token != "from,the,vault" {
		t.Error(token)
	}
	if diff := cmp.Diff([]configs.Secret{secret("newer"), secret("current")}, got.Meta.Apps[0].Secrets); diff != "" {
		t.Error(got.Meta.Apps[0].Secrets[0].Reveal(), got.Meta.Apps[0].Secrets[1].Reveal())
	}
	if second := got.Accounts[0].Channels[3]; second.PhoneNumberID != "1556" || second.MessagesPerSecond != 0 {
		t.Errorf("%+v", second)
	}
	if got.Accounts[1].ID != "globex" || got.Accounts[0].Channels[1].ID != "page" {
		t.Errorf("%+v", got.Accounts)
	}
}

func TestTheEnvironmentAloneIsEnough(t *testing.T) {
	var environ []string
	for i := range 12 { // more than nine, since 10 must come after 9
		n := strings.Repeat("1", i+1)
		environ = append(environ, "OPTGATE_ACCOUNTS__"+[]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}[i]+"__ID=a"+n)
	}
	if got := load(t, "", environ...); len(got.Accounts) != 12 || got.Accounts[10].ID != "a11111111111" {
		t.Errorf("%+v", got.Accounts)
	}
}

func TestNamesThatAreNoKeysArePassedOver(t *testing.T) {
	load(t, "",
		"OPTGATE_CONFIG=/etc/optgate.yaml", "OPTGATE_API=http://127.0.0.1:8081", "OPTGATE_TOKEN=secret",
		"OPTGATE_TEST_KAFKA=127.0.0.1:9092", "OPTGATE=1", "OPTGATEX_Y=1",
		"OPTGATE_SERVICE_HOST=10.0.0.1", "OPTGATE_SERVICE_PORT=80", "OPTGATE_SERVICE_PORT_PUBLIC=80", "OPTGATE_PORT=tcp://10.0.0.1:80",
		"OPTGATE_PORT_80_TCP=tcp://10.0.0.1:80", "OPTGATE_PORT_80_TCP_ADDR=10.0.0.1", "OPTGATE_PORT_80_TCP_PORT=80",
		"OPTGATE_PRIVATE_SERVICE_HOST=10.0.0.2", "OPTGATE_PRIVATE_PORT_8081_TCP_PROTO=tcp",
	)
}

func TestAFileThatCanNotBeReadSaysSo(t *testing.T) {
	_, err := configs.Load(configs.Sources{File: filepath.Join(t.TempDir(), "missing.yaml")})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "missing.yaml") {
		t.Error(err)
	}
	if _, ok := errors.AsType[configs.Problems](err); ok {
		t.Error("a missing file is no problem of a value")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(sample), "OPTGATE_LOG__LEVEL", "warn")
	f.Add([]byte(`{"accounts":[{"id":"acme"}]}`), "OPTGATE_ACCOUNTS__0__CHANNELS__0__ID", "wa")
	f.Add([]byte("kafka: [1"), "OPTGATE_KAFKA", "x")
	f.Add([]byte("a: &a [*a]\n<<: {b: c}\n? [x]\n: y"), "OPTGATE_ACCOUNTS__-1", "")
	f.Add([]byte("roles: {0: a}\npublic: 2026-01-01\n--- \nx"), "OPTGATE___", "\xff")
	file := filepath.Join(f.TempDir(), "optgate.yaml")
	f.Fuzz(func(t *testing.T, data []byte, name, value string) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := configs.Load(configs.Sources{File: file, Environ: []string{name + "=" + value}})
		if err != nil {
			if problems, ok := errors.AsType[configs.Problems](err); !ok || len(problems) == 0 || c != nil {
				t.Fatalf("an error that lists nothing: %v", err)
			}
			return
		}
		if _, err := c.Show(); err != nil {
			t.Fatal(err)
		}
	})
}
