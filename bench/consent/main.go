// Command consent measures what the opt-out lists cost: the gate asked about a million recipients, an import of a million
// rows, and how long a Redis that lost all takes to be whole again, while nothing may be sent. It starts a real Redis and a
// real Kafka, and writes bench/results/consent.md and .json.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"optgate/bench/host"
)

// results are all that a run brought.
type results struct {
	Date    time.Time            `json:"date"`
	Machine string               `json:"machine"`
	Kernel  string               `json:"kernel"`
	Commit  string               `json:"commit"`
	Command string               `json:"command"`
	Gate    map[string][]float64 `json:"gate"` // "benchmark unit" → a value for each round
	Lives   []life               `json:"lives"`
}

func main() { os.Exit(host.Main("consent", run)) }

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("consent", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "rounds of the gate; 0: not asked")
	entries := flags.Int("entries", 1_000_000, "entries of the list that is imported and lost")
	lives := flags.Int("lives", 3, "times that Redis is wiped")
	to := flags.String("out", "bench/results", "`FOLDER` for consent.md and consent.json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if _, err := os.Stat("bench/consent"); err != nil {
		return errors.New("run it at the top of the repository, as make bench-consent does")
	}
	dir, err := os.MkdirTemp("", "optgate-consent-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	redis, err := host.Script(ctx, "Redis", "bench/real/redis.sh", filepath.Join(dir, "redis"))
	if err != nil {
		return err
	}
	defer redis.Stop()
	r := &results{
		Date: time.Now().UTC().Truncate(time.Second), Machine: host.Machine(), Kernel: host.Kernel(), Commit: host.Commit(ctx),
		Command: fmt.Sprintf("go run ./bench/consent -rounds %d -entries %d -lives %d", *rounds, *entries, *lives),
		Gate:    map[string][]float64{},
	}
	if *rounds > 0 {
		if err := r.askGate(ctx, redis.Address, *rounds); err != nil {
			return err
		}
	}
	kafka, err := host.Script(ctx, "Kafka", "bench/real/kafka.sh", filepath.Join(dir, "kafka"))
	if err != nil {
		return err
	}
	defer kafka.Stop()
	if err := r.live(ctx, dir, kafka.Address, redis.Address, *entries, *lives); err != nil {
		return err
	}
	return host.Save(out, *to, "consent", r, r.markdown())
}

// askGate runs the benchmark beside the gate's code, which fills Redis, and asks redis-benchmark too.
func (r *results) askGate(ctx context.Context, redis string, rounds int) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkFilter$", "-benchtime", "3x", //nolint:gosec // ours
		"-count", fmt.Sprint(rounds), "-timeout", "30m", "./gateway/store")
	cmd.Env = append(os.Environ(), "OPTGATE_TEST_REDIS="+redis)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("gate: %w\n%s", err, text)
	}
	return r.readBench(string(text))
}

// readBench reads what go test -bench prints: a name, a count, and pairs of value and unit.
func (r *results) readBench(text string) error {
	found := false
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		name, ok := strings.CutPrefix(line, "BenchmarkFilter/")
		if !ok || len(fields) < 4 {
			continue
		}
		name, _, _ = strings.Cut(name, " ")
		name = strings.TrimSuffix(strings.TrimSpace(name), fmt.Sprintf("-%d", runtime.GOMAXPROCS(0)))
		for i := 2; i+1 < len(fields); i += 2 {
			var value float64
			if _, err := fmt.Sscan(fields[i], &value); err != nil {
				return fmt.Errorf("benchmark says %q", line)
			}
			key := name + " " + fields[i+1]
			r.Gate[key], found = append(r.Gate[key], value), true
		}
	}
	if !found {
		return fmt.Errorf("the benchmark of the gate says nothing: %s", text)
	}
	return nil
}
