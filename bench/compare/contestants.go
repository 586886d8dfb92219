package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"optgate/bench/host"
)

// level is one way to load a contestant.
type level struct {
	Connections int     `json:"connections"`
	Rate        float64 `json:"rate"`             // 0: as fast as answers come
	Beside      string  `json:"beside,omitempty"` // the crowd that calls meanwhile
}

var (
	throughput = []level{{Connections: 64}, {Connections: 256}, {Connections: 1024}}
	latency    = []level{{Connections: 256, Rate: 15_000}, {Connections: 256, Rate: 30_000}}
	everything = append(append([]level{}, throughput...), latency...)
	once       = []level{{Connections: 256}}
)

// kinds of Kafka that a contestant stands on.
const (
	noKafka     = ""
	embedded    = "embedded" // in the gateway's own process
	alone       = "alone"    // the same in a process of its own
	aloneSynced = "alone, synced"
	apache      = "Apache Kafka"
)

// contestant is one of those that are compared.
type contestant struct {
	name   string // for -only
	title  string // for readers
	kafka  string
	start  func(ctx context.Context, s *site) (*standing, error)
	levels []level
	flow   bool // also measured from webhook to effect
	crowd  bool // also measured beside a crowd
	node   bool // needs the packages in bench/peers
}

// bare is whom all are compared to.
const bare = "bare"

// contestants are in the order in which results show them.
func contestants() []contestant {
	return []contestant{
		{name: bare, title: "bare fasthttp: no signature, no Kafka", start: program("bare"), levels: everything, crowd: true},
		{name: "optgate", title: "**Optgate**, ingress", kafka: alone, start: gateway(ingressOnly), levels: everything, crowd: true},
		{name: "optgate-synced", title: "**Optgate**, ingress, each batch synced to disk", kafka: aloneSynced, start: gateway(ingressOnly), levels: everything},
		{name: "optgate-kafka", title: "**Optgate**, ingress, on Apache Kafka", kafka: apache, start: gateway(ingressOnly), levels: everything},
		{name: "optgate-all", title: "**Optgate**, everything in one process", kafka: embedded, start: gateway(allRoles), levels: once, flow: true},
		{name: "optgate-all-synced", title: "**Optgate**, everything in one, each batch synced", kafka: embedded, start: gateway(synced), levels: once, flow: true},
		{name: "optgate-all-kafka", title: "**Optgate**, everything, on Apache Kafka", kafka: apache, start: gateway(allRoles), levels: once, flow: true},
		{name: "nethttp-franz", title: "net/http, encoding/json, franz-go", kafka: alone, start: program("nethttp-franz"), levels: throughput},
		{name: "nethttp-kafkago", title: "net/http, encoding/json, kafka-go's Writer, 1 ms", kafka: alone, start: program("nethttp-kafkago", "LINGER=1ms"), levels: once},
		{name: "nethttp-kafkago-defaults", title: "net/http, encoding/json, the Writer's defaults", kafka: alone, start: program("nethttp-kafkago"), levels: once},
		{name: "fastify-platformatic", title: "Fastify, @platformatic/kafka", kafka: alone, start: inNode("fastify-platformatic"), levels: once, node: true},
		{name: "express-kafkajs", title: "Express, kafkajs", kafka: alone, start: inNode("express-kafkajs"), levels: once, node: true},
		{name: "whatsapp-api-js", title: "whatsapp-api-js on Express, kafkajs", kafka: alone, start: inNode("whatsapp-api-js"), levels: once, node: true},
	}
}

func names() []string {
	var all []string
	for _, c := range contestants() {
		all = append(all, c.name)
	}
	return all
}

// standing is a contestant that is up.
type standing struct {
	server  *host.Process
	host    string // of the webhook
	private string // http://host:port of Optgate's private listener
	kafka   string // where to look what was kept; "" nowhere
	topic   string
	perItem bool // one record for each item, not for each webhook
}

// program starts one of the peers in Go.
func program(name string, more ...string) func(context.Context, *site) (*standing, error) {
	return func(ctx context.Context, s *site) (*standing, error) {
		return s.peer(ctx, name, exec.CommandContext(ctx, filepath.Join(s.field.bin, name)), more) //nolint:gosec // ours
	}
}

// inNode starts one of the peers in Node.
func inNode(name string) func(context.Context, *site) (*standing, error) {
	return func(ctx context.Context, s *site) (*standing, error) {
		return s.peer(ctx, name, exec.CommandContext(ctx, s.field.node, filepath.Join("bench", "peers", name, "server.js")), nil) //nolint:gosec // ours
	}
}

// peer starts a peer, which finds its topic made.
func (s *site) peer(ctx context.Context, name string, cmd *exec.Cmd, more []string) (*standing, error) {
	cmd.Env = append(os.Environ(), "BROKERS="+s.kafka, "TOPIC="+peersTopic, "SECRET="+secret)
	cmd.Env = append(cmd.Env, more...)
	p, err := host.Launch(ctx, name, cmd, host.Said)
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, p)
	return &standing{server: p, host: p.Address, kafka: s.kafka, topic: peersTopic}, nil
}

const (
	peersTopic = "inbound"
	partitions = 8 // of every topic of webhooks outside of an Optgate with embedded Kafka, which has two
	secret     = "not-a-secret-but-as-long-as-one"
)

// site is where one contestant stands for one turn.
type site struct {
	field     *field
	dir       string
	kafka     string          // host:port, "" where there is none or the gateway embeds it
	prefix    string          // of a gateway's topics
	processes []*host.Process // that are up, the last started last
}

// open makes the ground that a contestant stands on.
func (f *field) open(ctx context.Context, c contestant) (*site, error) {
	dir, err := os.MkdirTemp(f.dir, c.name+"-")
	if err != nil {
		return nil, err
	}
	s := &site{field: f, dir: dir}
	switch c.kafka {
	case apache:
		s.kafka = f.kafka.Address
	case alone, aloneSynced:
		cmd := exec.CommandContext(ctx, filepath.Join(f.bin, "broker"), "-data", filepath.Join(dir, "kafka"), //nolint:gosec // ours
			fmt.Sprintf("-sync=%t", c.kafka == aloneSynced), fmt.Sprintf("%s:%d", peersTopic, partitions))
		p, err := host.Launch(ctx, "broker", cmd, host.Said)
		if err != nil {
			s.close()
			return nil, err
		}
		s.kafka, s.processes = p.Address, append(s.processes, p)
	}
	return s, nil
}

// close stops everything, the last started first, and removes its data.
func (s *site) close() {
	for _, p := range slices.Backward(s.processes) {
		p.Stop()
	}
	if s.prefix != "" && s.kafka == s.field.apache() {
		if err := drop(s.kafka, s.prefix); err != nil {
			s.field.sayf("topics of %s stay: %v", s.prefix, err)
		}
	}
	_ = os.RemoveAll(s.dir) // it lies in a temporary folder that goes anyway
}
