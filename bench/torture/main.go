// Command torture kills, pauses, fills up and cuts off what Optgate consists of and stands on, while a simulated Meta
// delivers and broadcasts run; then it accounts for every message. It drives the built program as processes, on real
// servers that it starts itself, and knows the program from outside only: by its API, its topics, and what it asks Meta for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are the command line's.
type options struct {
	program   string
	dir       string
	lasts     time.Duration
	seed      uint64
	scenarios []scenario
	rate      float64
	people    int
	keep      bool
}

// longestRound is how long a round lasts at most: a longer run is one round after the other, each with a seed of its own.
const longestRound = 10 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := torture(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// torture runs what the arguments say: 0 for all well, 1 for a broken promise, 2 for wrong usage.
func torture(ctx context.Context, arguments []string) int {
	o, err := parse(arguments, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 2
	}
	if err := o.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	return 0
}

func parse(arguments []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.program, "optgate", "bin/optgate", "the built program")
	flags.StringVar(&o.dir, "dir", "", "folder for servers, configurations and logs; default: a temporary one, removed if all is well")
	flags.DurationVar(&o.lasts, "for", 2*time.Minute, "how long each scenario is disturbed")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1_000_000), "repeats traffic and plan of a run")
	flags.Float64Var(&o.rate, "rate", 100, "items of webhooks a second")
	flags.IntVar(&o.people, "people", 1500, "how many people write and are written to, at most 100000")
	flags.BoolVar(&o.keep, "keep", false, "keep the folder")
	kafkas := flags.String("kafka", "one", "one, three, or both with a comma")
	redises := flags.String("redis", "one", "one, cluster, replica, or several with commas; paired with -kafka in turn")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if o.scenarios, err = scenarios(strings.Split(*kafkas, ","), strings.Split(*redises, ",")); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.rate <= 0 || o.people < 1 || o.people > 100_000 || o.lasts <= 0 {
		return o, errors.New("see torture -h")
	}
	return o, nil
}

// scenarios pairs kinds of Kafka with kinds of Redis, so that each is in at least one pair.
func scenarios(kafkas, redises []string) (all []scenario, err error) {
	nodes := map[string]int{"one": 1, "three": 3}
	kinds := map[string]bool{"one": true, "cluster": true, "replica": true}
	for i := range max(len(kafkas), len(redises)) {
		kafka, redis := kafkas[i%len(kafkas)], redises[i%len(redises)]
		if nodes[kafka] == 0 || !kinds[redis] {
			return nil, fmt.Errorf("no such servers: kafka %q, redis %q", kafka, redis)
		}
		all = append(all, scenario{nodes[kafka], redis})
	}
	return all, nil
}

// run runs every scenario, each for its time, and says what was found.
func (o options) run(ctx context.Context, out io.Writer) (err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "optgate-torture-"); err != nil {
			return err
		}
	}
	broken := 0
	for _, s := range o.scenarios {
		for n, left := uint64(0), o.lasts; left > 0 && ctx.Err() == nil; n, left = n+1, left-longestRound {
			found, err := o.round(ctx, out, s, o.seed+n*1000, min(left, longestRound))
			if err != nil {
				return fmt.Errorf("%s, seed %d: %w; logs are in %s", s, o.seed+n*1000, err, o.dir)
			}
			broken += found
		}
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if broken > 0 {
		return fmt.Errorf("%d findings; logs are in %s", broken, o.dir)
	}
	if !o.keep {
		return os.RemoveAll(o.dir)
	}
	return nil
}

func (o options) round(ctx context.Context, out io.Writer, s scenario, seed uint64, lasts time.Duration) (found int, err error) {
	dir := filepath.Join(o.dir, fmt.Sprintf("%s-%d", strings.NewReplacer(" ", "", ",", "-").Replace(s.String()), seed))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "%s, seed %d, for %s\n", s, seed, lasts) //nolint:errcheck // nobody listens, then
	r := round{scenario: s, seed: seed, lasts: lasts, program: o.program, dir: dir, out: out, rate: o.rate, people: o.people}
	a, err := r.run(ctx)
	if err != nil {
		return 0, err
	}
	show(out, s, seed, lasts, a)
	if len(a.findings) == 0 && !o.keep {
		return 0, os.RemoveAll(dir)
	}
	return len(a.findings), nil
}

// mostShown is how many findings of one promise are printed.
const mostShown = 20

func show(out io.Writer, s scenario, seed uint64, lasts time.Duration, a account) {
	var text strings.Builder
	for _, line := range a.counts {
		fmt.Fprintf(&text, "  %s\n", line)
	}
	shown := map[string]int{}
	for _, f := range a.findings {
		if shown[f.promise]++; shown[f.promise] <= mostShown {
			fmt.Fprintf(&text, "  BROKEN: %s: %s\n", f.promise, f.text)
		}
	}
	for promise, n := range shown {
		if n > mostShown {
			fmt.Fprintf(&text, "  BROKEN: %s: %d in all\n", promise, n)
		}
	}
	verdict := "PASS"
	if len(a.findings) > 0 {
		kafka := map[int]string{1: "one", 3: "three"}[s.nodes]
		verdict = fmt.Sprintf("FAILED; repeat with -kafka %s -redis %s -seed %d -for %s", kafka, s.redis, seed, lasts)
	}
	fmt.Fprintf(out, "%s  %s\n", text.String(), verdict) //nolint:errcheck // as above
}
