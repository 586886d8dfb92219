// Command compare measures Optgate side by side with what else one could run: every contestant in every round, one at a time,
// in rotated order, on the same machine as the generator and Kafka. make bench runs it.
//
//	BENCH_ROUNDS=5 BENCH_SECONDS=2 BENCH_ONLY=bare,optgate make bench
//
// It writes results.json, a table and a chart. It needs Go alone; what it finds no Node, Kafka or Redis for is left out, and
// the results say so.
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
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// settings are what a run can be told.
type settings struct {
	Rounds  int           `json:"rounds"`
	Time    time.Duration `json:"-"`
	Seconds float64       `json:"seconds"` // of one sample
	Foreign float64       `json:"foreign"` // share of all processors that others may take in a sample
	Tries   int           `json:"tries"`   // of a sample that others disturb
	Only    []string      `json:"only,omitempty"`
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(errs)
	s := settings{}
	flags.IntVar(&s.Rounds, "rounds", 5, "rounds, each with every contestant")
	flags.Float64Var(&s.Seconds, "seconds", 2, "of one sample, besides its warm-up")
	flags.Float64Var(&s.Foreign, "foreign", 0.05, "share of all processors that others may take; a sample with more is dropped and repeated")
	flags.IntVar(&s.Tries, "tries", 3, "of a sample; where all are disturbed, the least disturbed one counts and is marked")
	only := flags.String("only", "", "contestants by name, comma between; bare is always among them. There are "+strings.Join(names(), ", "))
	to := flags.String("out", "bench/results", "`FOLDER` for latest.md, latest.json and latest.svg; with -only they are called partial")
	again := flags.Bool("render", false, "measure nothing; write table, chart and README anew from latest.json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s.Time = time.Duration(s.Seconds * float64(time.Second))
	if s.Rounds < 1 || s.Time < 100*time.Millisecond || s.Tries < 1 || flags.NArg() > 0 {
		return errors.New("rounds, seconds or tries make no sense, or there are arguments without a flag")
	}
	name := "latest"
	if *only != "" {
		name, s.Only = "partial", strings.Split(*only, ",")
		for _, n := range s.Only {
			if !slices.Contains(names(), n) {
				return fmt.Errorf("no contestant is called %q; there are %s", n, strings.Join(names(), ", "))
			}
		}
	}
	file := filepath.Join(*to, name)
	if *again {
		r, err := read(file + ".json")
		if err != nil {
			return err
		}
		return r.write(file, name == "latest")
	}
	results, err := compare(ctx, s, errs)
	if err != nil {
		return err
	}
	if err := results.write(file, name == "latest"); err != nil {
		return err
	}
	_, err = io.WriteString(out, results.markdown())
	return err
}

// compare runs all rounds.
func compare(ctx context.Context, s settings, log io.Writer) (*results, error) {
	f, err := newField(ctx, s, log)
	if err != nil {
		return nil, err
	}
	defer f.close()
	for round := range s.Rounds {
		for i := range f.contestants {
			c := f.contestants[(i+round)%len(f.contestants)]
			if err := f.turn(ctx, round, c); err != nil {
				return nil, fmt.Errorf("round %d, %s: %w", round+1, c.name, err)
			}
		}
	}
	return f.results, nil
}
