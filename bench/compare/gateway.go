package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"optgate/bench/host"
	"optgate/bench/load/mix"
)

// How a gateway is run.
type running struct {
	roles  string
	synced bool
}

var (
	ingressOnly = running{roles: "[ingress]"}
	allRoles    = running{roles: "[ingress, pipeline, sender, console]"}
	synced      = running{roles: "[ingress, pipeline, sender, console]", synced: true}
)

const (
	account = "bench"
	token   = "no-token-but-as-long-as-one" //nolint:gosec // for gateways that live for seconds, on the loopback interface
)

// gateway starts Optgate, the real binary, as an operator would.
func gateway(how running) func(context.Context, *site) (*standing, error) {
	return func(ctx context.Context, s *site) (*standing, error) {
		prefix := "bench-" + strings.ToLower(rand.Text()[:10]) + "."
		file := filepath.Join(s.dir, "optgate.yaml")
		if err := os.WriteFile(file, []byte(s.configuration(how, prefix)), 0o600); err != nil {
			return nil, err
		}
		up, err := s.serve(ctx, exec.CommandContext(ctx, filepath.Join(s.field.bin, "optgate"), "serve", "--config", file)) //nolint:gosec // ours
		if err != nil {
			return nil, err
		}
		up.topic, up.perItem = prefix+"inbound", true
		s.prefix = prefix
		return up, nil
	}
}

// configuration is what stands in the gateway's file. Its channel has no access token, so that nobody is confirmed anything
// and nothing leaves the machine.
func (s *site) configuration(how running, prefix string) string {
	kafka := fmt.Sprintf("{embedded_sync: %t}\n", how.synced)
	if s.kafka != "" {
		kafka = fmt.Sprintf("{brokers: [%q], single_copy: accepted}\nshards: %d\n", s.kafka, partitions)
	}
	redis := ""
	if s.field.redis != nil {
		redis = fmt.Sprintf("redis: {addresses: [%q]}\n", s.field.redis.Address)
	}
	return fmt.Sprintf(`data_dir: %q
public: {listen: "127.0.0.1:0"}
private: {listen: "127.0.0.1:0"}
roles: %s
prefix: %s
kafka: %s%smeta: {apps: [{id: main, verify_token: %q, secrets: [%q]}]}
accounts:
  - id: %s
    tokens: [{name: bench, token: %q, scopes: [admin]}]
    channels: [{id: wa, kind: whatsapp, phone_number_id: %q, waba_id: %q, default_country: GB}]
limits: {api_per_minute: 1000000}
`, filepath.Join(s.dir, "data"), how.roles, prefix, kafka, redis, token, secret, account, token, mix.PhoneNumberID, mix.WABAID)
}

// serve waits until the gateway is ready, and learns from its log where everything listens.
func (s *site) serve(ctx context.Context, cmd *exec.Cmd) (*standing, error) {
	g, err := host.Serve(ctx, cmd)
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, g.Process)
	return &standing{server: g.Process, host: g.Address, private: g.Private, kafka: cmp.Or(s.kafka, g.Kafka)}, nil
}
