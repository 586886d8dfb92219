// Command broadcast measures broadcasts to a million people: planning and filtering them, sending to a simulated Cloud API,
// downloading the report, and how long a reply takes meanwhile. It starts a real Redis and a real Kafka, and writes
// bench/results/broadcast.md and .json.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"optgate/bench/host"
	"optgate/gateway/meta/fake"
)

// results are all that a run brought.
type results struct {
	Date    time.Time `json:"date"`
	Machine string    `json:"machine"`
	Kernel  string    `json:"kernel"`
	Commit  string    `json:"commit"`
	Command string    `json:"command"`
	People  int       `json:"people"`
	Plan    planned   `json:"plan"`
	Runs    []ran     `json:"runs"`
	Replies []replied `json:"replies"`
}

func main() { os.Exit(host.Main("broadcast", run)) }

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("broadcast", flag.ContinueOnError)
	people := flags.Int("people", 1_000_000, "recipients")
	replies := flags.Int("replies", 300, "replies that are timed in each state of the gateway")
	to := flags.String("out", "bench/results", "`FOLDER` for broadcast.md and broadcast.json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if _, err := os.Stat("bench/broadcast"); err != nil {
		return errors.New("run it at the top of the repository, as make bench-broadcast does")
	}
	r := &results{
		Date: time.Now().UTC().Truncate(time.Second), Machine: host.Machine(), Kernel: host.Kernel(), Commit: host.Commit(ctx),
		Command: fmt.Sprintf("go run ./bench/broadcast -people %d -replies %d", *people, *replies), People: *people,
	}
	w, err := open(ctx, *people)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if r.Plan, err = w.plan(ctx); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if r.Runs, err = w.runs(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if r.Replies, err = w.replies(ctx, *replies); err != nil {
		return fmt.Errorf("replies: %w", err)
	}
	return host.Save(out, *to, "broadcast", r, r.markdown())
}

// world is everything that runs.
type world struct {
	people  int
	dir     string
	redis   *host.Process
	kafka   *host.Process
	cloud   *fake.Meta // takes the calls
	hooks   *fake.Meta // posts webhooks
	calls   *calls
	gateway *host.Gateway
	undo    []func() error
}

// configuration of a gateway whose numbers are as fast as it can be told, as Meta's default, and for replies alone.
const configuration = `data_dir: %q
public: {listen: "127.0.0.1:0"}
private: {listen: "127.0.0.1:0"}
prefix: broadcast.
kafka: {brokers: [%q], single_copy: accepted}
redis: {addresses: [%q]}
shards: 64
meta: {graph_url: %q, apps: [{id: main, verify_token: "none", secrets: [%q]}]}
accounts:
  - id: bench
    tokens: [{name: bench, token: %q, scopes: [admin]}]
    channels:
      - {id: lifted, kind: whatsapp, phone_number_id: "1", access_token: "none", default_country: GB, messages_per_second: 10000}
      - {id: usual, kind: whatsapp, phone_number_id: "2", access_token: "none", default_country: GB, messages_per_second: 80}
      - {id: quiet, kind: whatsapp, phone_number_id: "3", access_token: "none", default_country: GB, messages_per_second: 80}
limits: {api_per_minute: 1000000}
`

// secret signs webhooks.
const secret = "none-but-as-long-as-one"

func open(ctx context.Context, people int) (w *world, err error) {
	w = &world{people: people, calls: newCalls()}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "optgate-broadcast-"); err != nil {
		return w, err
	}
	w.undo = append(w.undo, func() error { return os.RemoveAll(w.dir) })
	if w.redis, err = host.Script(ctx, "Redis", "bench/real/redis.sh", filepath.Join(w.dir, "redis")); err != nil {
		return w, err
	}
	w.undo = append(w.undo, func() error { w.redis.Stop(); return nil })
	if w.kafka, err = host.Script(ctx, "Kafka", "bench/real/kafka.sh", filepath.Join(w.dir, "kafka")); err != nil {
		return w, err
	}
	w.undo = append(w.undo, func() error { w.kafka.Stop(); return nil })
	if w.cloud, err = fake.New(fake.Options{Keep: 1, Answer: w.calls.note}); err != nil {
		return w, err
	}
	w.undo = append(w.undo, w.cloud.Close)
	w.gateway, err = host.Start(ctx, w.dir, fmt.Sprintf(configuration,
		filepath.Join(w.dir, "data"), w.kafka.Address, w.redis.Address, w.cloud.URL(), secret, host.Token))
	if err != nil {
		return w, err
	}
	w.undo = append(w.undo, func() error { w.gateway.Stop(); return nil })
	if w.hooks, err = fake.New(fake.Options{Webhook: "http://" + w.gateway.Address + "/webhooks/meta", Secret: []byte(secret)}); err != nil {
		return w, err
	}
	w.undo = append(w.undo, w.hooks.Close)
	return w, nil
}

func (w *world) close() (err error) {
	for _, undo := range slices.Backward(w.undo) {
		err = errors.Join(err, undo())
	}
	w.undo = nil
	return err
}

// processes are all of ours but this one.
func (w *world) processes() []int { return []int{w.gateway.PID, w.redis.PID, w.kafka.PID} }

// phone writes the nth recipient, of numbers that are nobody's in this measurement but the recipients'.
func phone(n int) string { return fmt.Sprintf("+4477%08d", n) }
