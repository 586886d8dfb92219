// Command load offers signed webhooks to a gateway and says how it answered:
//
//	go run ./bench/load -rate 15000                # at a rate, whatever the gateway does: for latencies
//	go run ./bench/load -connections 256           # as fast as it answers: for throughput
//	go run ./bench/load -help
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"optgate/bench/load/mix"
	"optgate/bench/load/offer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run offers what the arguments say and writes the report.
func run(ctx context.Context, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(errs)
	to := flags.String("url", "http://127.0.0.1:8080/webhooks/meta", "`URL` of the webhook, http only")
	secret := flags.String("secret", os.Getenv("OPTGATE_LOAD_SECRET"), "the app's secret, which signs; better in OPTGATE_LOAD_SECRET than in a list of processes")
	kinds := flags.String("mix", mix.Usual, "kinds with their shares; there are "+strings.Join(mix.Kinds(), ", "))
	connections := flags.Int("connections", 64, "how many, all kept alive")
	rate := flags.Float64("rate", 0, "webhooks a second; latencies count from when each was due. 0: as fast as answers come")
	warmup := flags.Duration("warmup", time.Second, "offered first and not counted")
	took := flags.Duration("time", 10*time.Second, "counted")
	timeout := flags.Duration("timeout", 10*time.Second, "after which a webhook without answer is given up")
	asJSON := flags.Bool("json", false, "report as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	at, err := url.Parse(*to)
	if err != nil || at.Scheme != "http" || at.Host == "" || flags.NArg() > 0 {
		return fmt.Errorf("%q is no http URL, or there are arguments without a flag", *to)
	}
	m, err := mix.New(mix.Options{
		Kinds: *kinds, Host: at.Host, Path: at.RequestURI(), Secret: *secret, First: uint64(time.Now().Unix()) * 1e6, Now: time.Now(),
	})
	if err != nil {
		return err
	}
	dialer := net.Dialer{}
	report, err := offer.Run(ctx, offer.Options{
		Dial: func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", at.Host) },
		Mix:  m, Connections: *connections, Rate: *rate, Warmup: *warmup, Time: *took, Timeout: *timeout,
	})
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(out).Encode(report)
	}
	return report.Write(out)
}
