package configs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"

	"optgate/configs"
)

// told gives what Load says about a file, one line for each problem.
func told(t *testing.T, text string, environ ...string) []string {
	t.Helper()
	_, err := fromFile(t, text, environ...)
	if err == nil {
		return nil
	}
	problems, ok := errors.AsType[configs.Problems](err)
	if !ok {
		t.Fatalf("not Problems: %v", err)
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return lines
}

func channel(keys string) string {
	return "accounts: [{id: a, channels: [{id: wa, kind: whatsapp, phone_number_id: '1', " + keys + "}]}]"
}

func TestEachInvalidValueIsNamedWithWhatToDo(t *testing.T) {
	const (
		asID   = "must be 1 to 64 letters, digits, dots, underscores or dashes"
		asURL  = "must be a URL with http or https and a host, as https://gate.example.com"
		here   = "accounts[0].channels[0]."
		quotes = "must be text: put it in quotes"
	)
	for text, want := range map[string]string{
		// What can't be read.
		"public: 5":                    "public: must be a group of keys: listen, base_url",
		"public: {listen: 8080}":       "public.listen: " + quotes,
		"public: {listens: x}":         "public.listens: unknown key; known here: listen, base_url",
		"public: {\"a\\e[2J]\": x}":    `public."a\x1b[2J]": unknown key; known here: listen, base_url`,
		"roles: ingress":               "roles: must be a list, as [a, b]",
		"roles: [null]":                "roles[0]: is empty: give it a value or remove it",
		"roles: [[ingress]]":           "roles[0]: " + quotes,
		"shards: many":                 "shards: must be a whole number",
		"shards: 2.5":                  "shards: must be a whole number",
		"shards: '4'":                  "shards: must be a whole number",
		"shards: 99999999999999999999": "shards: must be a whole number",
		"kafka: {embedded_sync: 1}":    "kafka.embedded_sync: must be true or false",
		"webcall: {allow: [10.0.0.1]}": "webcall.allow[0]: must be a network, as 10.1.0.0/16",
		"data_dir: 2026-01-01":         "data_dir: " + quotes,
		"meta: {apps: [{id: m, verify_token: 7, secrets: [s]}]}": "meta.apps[0].verify_token: " + quotes,
		channel("messages_per_second: fast"):                     here + "messages_per_second: must be a number",
		channel("messages_per_second: .nan"):                     here + "messages_per_second: must be a number",
		"accounts: {acme: {}}":                                   "accounts: must be a list, as [a, b]",
		"accounts: [acme]":                                       "accounts[0]: must be a group of keys: id, tokens, channels",

		// The house.
		"data_dir: ''":                                             "data_dir: must name a folder, as ./data",
		"public: {listen: '8080'}":                                 "public.listen: must be host:port, as 127.0.0.1:8080; port 0 takes a free one",
		"private: {listen: ':70000'}":                              "private.listen: must be host:port, as 127.0.0.1:8080; port 0 takes a free one",
		"private: {listen: '127.0.0.1:8080'}":                      "private.listen: is the same as public.listen: give it another port",
		"public: {base_url: gate.example.com}":                     "public.base_url: " + asURL,
		"public: {base_url: 'https://a?b=c'}":                      "public.base_url: " + asURL,
		"roles: []":                                                "roles: must name at least one of ingress, pipeline, sender, console",
		"roles: [ingres]":                                          "roles[0]: must be one of ingress, pipeline, sender, console",
		"roles: [sender, sender]":                                  "roles[1]: is the same as roles[0]: give it another value or remove one of the two",
		"prefix: 'a/b'":                                            "prefix: " + asID,
		"prefix: ''":                                               "prefix: " + asID,
		"shards: -1":                                               "shards: must be from 1 to 1024, or 0 for the default",
		"shards: 1025":                                             "shards: must be from 1 to 1024, or 0 for the default",
		"webcall: {allow: [10.1.2.3/8]}":                           "webcall.allow[0]: has bits after its length: write 10.0.0.0/8",
		"log: {level: loud}":                                       "log.level: must be one of debug, info, warn, error",
		"limits: {webhook_bytes: 3145729}":                         "limits.webhook_bytes: must be from 1024 to 3145728",
		"limits: {webhook_memory: 0}":                              "limits.webhook_memory: must be from 3145728 to 68719476736",
		"limits: {api_per_minute: 0}":                              "limits.api_per_minute: must be from 1 to 1000000",
		"operator: {support_address: 'call us'}":                   "operator.support_address: must be an e-mail address or a URL, as help@example.com",
		"operator: {privacy_url: 'ftp://a'}":                       "operator.privacy_url: " + asURL,
		"operator: {terms_url: 'https://'}":                        "operator.terms_url: " + asURL,
		"operator: {tokens: [{token: t}]}":                         "operator.tokens[0].name: must be a name of 1 to 64 characters",
		"operator: {tokens: [{name: a}]}":                          "operator.tokens[0].token: must not be empty",
		"meta: {graph_url: graph}":                                 "meta.graph_url: must be a URL with Graph's version, as https://graph.facebook.com/v26.0",
		"meta: {graph_url: 'http://a.example/v'}":                  "meta.graph_url: must be https: access tokens travel there; http is only for a simulator on this machine",
		"meta: {apps: [{id: a/b, verify_token: t, secrets: [s]}]}": "meta.apps[0].id: " + asID,
		"meta: {apps: [{id: a, verify_token: t}]}":                 "meta.apps[0].secrets: must hold the app's secret, from its dashboard",
		"meta: {apps: [{id: a, secrets: [s]}]}":                    "meta.apps[0].verify_token: must not be empty",
		"meta: {apps: [{id: a, verify_token: t, secrets: ['']}]}":  "meta.apps[0].secrets[0]: must not be empty",

		// Kafka and Redis.
		"kafka: {brokers: [kafka]}":                "kafka.brokers[0]: must be host:port, as kafka:9092",
		"kafka: {brokers: ['k:0']}":                "kafka.brokers[0]: must be host:port, as kafka:9092",
		"kafka: {brokers: ['k:1', 'k:1']}":         "kafka.brokers[1]: is the same as kafka.brokers[0]: give it another value or remove one of the two",
		"redis: {addresses: [':6379']}":            "redis.addresses[0]: must be host:port, as redis:6379",
		"kafka: {single_copy: true}":               "kafka.single_copy: " + quotes,
		"kafka: {single_copy: 'yes'}":              `kafka.single_copy: must be "accepted", or absent where three brokers keep each record`,
		"kafka: {tls: {enabled: true}}":            "kafka.brokers: must be given where kafka.tls or kafka.sasl is: the embedded Kafka needs neither",
		"redis: {master: m}":                       "redis.addresses: must be given where redis.tls, redis.master or a login is: the embedded Redis needs none",
		"redis: {addresses: ['r:1'], username: u}": "redis.password: must not be empty",
		"kafka: {brokers: ['k:1'], tls: {ca_file: a}}": "kafka.tls.enabled: is false, but other keys of kafka.tls are given: " +
			"set it to true or remove them",
		"kafka: {brokers: ['k:1'], tls: {enabled: true, key_file: a}}":                "kafka.tls: cert_file and key_file go together: give both or none",
		"redis: {addresses: ['r:1'], tls: {enabled: true, ca_file: /none}}":           "redis.tls: ca_file: open /none: no such file or directory",
		"kafka: {brokers: ['k:1'], sasl: {username: u}}":                              "kafka.sasl.mechanism: must be one of plain, scram-sha-256, scram-sha-512 where a username or password is given",
		"kafka: {brokers: ['k:1'], sasl: {mechanism: plain, password: p}}":            "kafka.sasl.username: must not be empty",
		"kafka: {brokers: ['k:1'], sasl: {mechanism: plain, username: u}}":            "kafka.sasl.password: must not be empty",
		"kafka: {brokers: ['k:1'], sasl: {mechanism: md5, username: u, password: p}}": "kafka.sasl.mechanism: must be one of plain, scram-sha-256, scram-sha-512",

		"private: {pprof: true}": "private.pprof: is of no use without a token in operator.tokens",

		// Accounts.
		"accounts: [{id: ''}]":                                                 "accounts[0].id: " + asID,
		"accounts: [{id: 'a b'}]":                                              "accounts[0].id: " + asID,
		"accounts: [{id: " + strings.Repeat("a", 65) + "}]":                    "accounts[0].id: " + asID,
		"accounts: [{id: a}, {id: a}]":                                         "accounts[1].id: is the same as accounts[0].id: give it another value or remove one of the two",
		"accounts: [{id: a, tokens: [{name: n, token: t}]}]":                   "accounts[0].tokens[0].scopes: must name at least one of read, send, lists, admin",
		"accounts: [{id: a, tokens: [{name: n, token: t, scopes: [root]}]}]":   "accounts[0].tokens[0].scopes[0]: must be one of read, send, lists, admin",
		"accounts: [{id: a, tokens: [{name: n, token: a b, scopes: [read]}]}]": "accounts[0].tokens[0].token: must be letters, digits and signs of ASCII without spaces, as openssl rand -hex 24 gives",
		channel("id2: x"):                                                      here + "id2: unknown key; known here: id, kind, number, phone_number_id, waba_id, page_id, instagram_id, access_token, default_country, messages_per_second, portfolio",
		channel("waba_id: WABA"):                                               here + "waba_id: must be digits, as Meta shows it",
		channel("page_id: '2'"):                                                here + "page_id: belongs to channels of kind messenger: remove it",
		channel("number: 100"):                                                 here + "number: must be from 101 to 1000000",
		channel("default_country: gb"):                                         here + "default_country: must be two capital letters of ISO 3166, as GB",
		channel("default_country: UK"):                                         here + "default_country: must be two capital letters of ISO 3166, as GB",
		channel("default_country: XX"):                                         here + "default_country: must be two capital letters of ISO 3166, as GB",
		channel("messages_per_second: -1"):                                     here + "messages_per_second: must be at most 10000, or 0 for what Meta says",
		channel("portfolio: a/b"):                                              here + "portfolio: must be 1 to 64 letters, digits, dots, underscores or dashes",
		channel("access_token: '[redacted]'"):                                  here + "access_token: is what config show prints for a secret: put the secret itself here",
		"accounts: [{id: a, channels: [{id: wa, kind: telegram}]}]":            here + "kind: must be one of whatsapp, messenger, instagram",
		"accounts: [{id: a, channels: [{id: wa, kind: whatsapp}]}]":            here + "phone_number_id: must be given for whatsapp: webhooks name the channel by it",
		"accounts: [{id: a, channels: [{id: wa, kind: instagram}]}]":           here + "instagram_id: must be given for instagram: webhooks name the channel by it",
	} {
		if diff := cmp.Diff([]string{want}, told(t, text)); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
}

func TestWhatMustBeUniqueIsFoundOverAllAccounts(t *testing.T) {
	const twice = ": give it another value or remove one of the two"
	want := []string{
		"accounts[0].channels[1].id: is the same as accounts[0].channels[0].id" + twice,
		"accounts[0].channels[1].number: is the same as accounts[0].channels[0].number" + twice,
		"accounts[1].tokens[0].token: is the same as operator.tokens[0].token" + twice,
		"accounts[1].tokens[1].name: is the same as accounts[1].tokens[0].name" + twice,
		"accounts[1].channels[0].phone_number_id: is the same as accounts[0].channels[0].phone_number_id" + twice,
		"accounts[1].channels[1].page_id: is the same as accounts[0].channels[1].page_id" + twice,
	}
	got := told(t, `
operator: {tokens: [{name: root, token: the-same}]}
accounts:
  - id: acme
    tokens: [{name: ops, token: acme-1, scopes: [read]}]
    channels:
      - {id: wa, kind: whatsapp, phone_number_id: "1", number: 101}
      - {id: wa, kind: messenger, page_id: "1", number: 101}
  - id: globex
    tokens: [{name: ops, token: the-same, scopes: [read]}, {name: ops, token: globex-1, scopes: [read]}]
    channels:
      - {id: wa, kind: whatsapp, phone_number_id: "1", number: 101}
      - {id: page, kind: messenger, page_id: "1"}
`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEverythingIsReportedAtOnce(t *testing.T) {
	want := []string{
		"accounts[2].id (OPTGATE_ACCOUNTS__2__ID): there is no element 2: the list has 1, so the next one is 1",
		"accounts.acme (OPTGATE_ACCOUNTS__ACME): goes through a list: name an element by its number, from 0 to 1",
		"log.level.deep (OPTGATE_LOG__LEVEL__DEEP): goes through a value that has nothing inside: remove one of the two",
		"shards (flag shards): must be a whole number",
		"kafka.broker: unknown key; known here: brokers, single_copy, embedded_sync, tls, sasl",
		"accounts[0].id: must be text: put it in quotes",
		"colour (OPTGATE_COLOUR): unknown key; known here: data_dir, public, private, roles, prefix, shards, kafka, redis, operator, " +
			"webcall, meta, accounts, limits, log",
		"data_Dir (OPTGATE_data_Dir): unknown key; known here: data_dir, public, private, roles, prefix, shards, kafka, redis, operator, " +
			"webcall, meta, accounts, limits, log",
		"roles[1] (OPTGATE_ROLES): must be one of ingress, pipeline, sender, console",
	}
	file := t.TempDir() + "/optgate.yaml"
	write(t, file, "kafka: {broker: x}\naccounts: [{id: 7}]\nlog: {level: info}")
	_, err := configs.Load(configs.Sources{
		File: file,
		Environ: []string{
			"OPTGATE_COLOUR=red", "OPTGATE_data_Dir=x", "OPTGATE_ROLES=sender,cook", "OPTGATE_ACCOUNTS__2__ID=x", "OPTGATE_ACCOUNTS__ACME=x",
			"OPTGATE_LOG__LEVEL__DEEP=x",
		},
		Flags: map[string]any{"shards": "many"},
	})
	head, rest, _ := strings.Cut(err.Error(), "\n")
	if head != "configuration: 9 to mend" {
		t.Error(head)
	}
	if diff := cmp.Diff(want, strings.Split(strings.ReplaceAll(rest, "\n  ", "\n")[2:], "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestAFileIsParsedStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"shards: 1\nshards: 2":      `can't be read as YAML: unmarshal errors: line 2: mapping key "shards" already defined at line 1`,
		"shards: 1\n---\nshards: 2": "holds more than one document; keep one",
		"- shards":                  "is no group of keys; begin with one, as data_dir: ./data",
		"hunter2":                   "is no group of keys; begin with one, as data_dir: ./data",
		"a: [":                      "can't be read as YAML: line 1: did not find expected node content",
		"<<: hunter2":               "can't be read as YAML: map merge requires map or sequence of maps as the value",
	} {
		got := told(t, text)
		if len(got) != 1 || !strings.HasSuffix(got[0], "optgate.yaml: "+want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestNoErrorShowsASecret(t *testing.T) {
	const canary = "velvet-otter"
	for _, text := range []string{
		"meta: {apps: " + canary + "}",
		"meta: {apps: [" + canary + "]}",
		"meta: {apps: [{id: m, verify_token: [" + canary + "], secrets: {" + canary + "1: x}}]}",
		"accounts: [{id: a, tokens: [{name: n, scopes: [read], token: " + canary + " }, {name: m, scopes: [read], token: " + canary + "}]}]",
		"accounts: [{id: a, tokens: [{name: n, scopes: [read], token: " + canary + "é}]}]",
		"kafka: {sasl: {password: " + canary + "}}",
		"redis: {password: " + canary + "}",
		canary,
		"kafka: {sasl: {password: *" + canary + "}}",
		"kafka: !!int " + canary,
	} {
		_, err := fromFile(t, text)
		if err == nil {
			t.Errorf("%s: no error", text)
		} else if strings.Contains(err.Error(), canary+" ") || strings.Contains(err.Error(), canary+"\n") || strings.HasSuffix(err.Error(), canary) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEveryCountryOfPhoneNumbersIsOne(t *testing.T) {
	for code := range phonenumbers.GetSupportedRegions() {
		if got := told(t, channel("default_country: "+code)); got != nil && code != "001" {
			t.Error(code, got)
		}
	}
}
