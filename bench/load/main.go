// Command load offers signed webhooks to a gateway and says how it answered:
//
//	go run ./bench/load -rate 15000                # at a rate, whatever the gateway does: for latencies
//	go run ./bench/load -connections 256           # as fast as it answers: for throughput
//	go run ./bench/load -rate 2000 -idle 10000     # the same beside a crowd: does it slow others down?
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

	"optgate/bench/load/crowd"
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
	var company crowd.Options
	flags.IntVar(&company.Idle, "idle", 0, "connections beside these that say nothing")
	flags.IntVar(&company.Drip, "drip", 0, "connections beside these on which a request arrives a byte a second")
	flags.IntVar(&company.Large, "large", 0, "connections beside these that send webhooks of 3 MiB, one after the other")
	flags.IntVar(&company.Batch, "batch", 0, "connections beside these that send webhooks of 1,000 items, one after the other")
	asJSON := flags.Bool("json", false, "report as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	at, err := url.Parse(*to)
	if err != nil || at.Scheme != "http" || at.Host == "" || flags.NArg() > 0 {
		return fmt.Errorf("%q is no http URL, or there are arguments without a flag", *to)
	}
	if err := crowd.Files(*connections + company.Connections()); err != nil {
		return err
	}
	webhooks := mix.Options{
		Kinds: *kinds, Host: at.Host, Path: at.RequestURI(), Secret: *secret, First: uint64(time.Now().Unix()) * 1e6, Now: time.Now(),
	}
	m, err := mix.New(webhooks)
	if err != nil {
		return err
	}
	dialer := net.Dialer{}
	dial := func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", at.Host) }
	company.Dial, company.Mix = dial, webhooks
	beside, err := crowd.Gather(ctx, company)
	if err != nil {
		return err
	}
	defer beside.Disperse()
	told, err := offer.Run(ctx, offer.Options{
		Dial: dial, Mix: m, Connections: *connections, Rate: *rate, Warmup: *warmup, Time: *took, Timeout: *timeout,
	})
	if err != nil {
		return err
	}
	r := report{told, beside.Disperse()}
	if *asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	return r.write(out)
}

// report is what came of the offer, and of the crowd beside it.
type report struct {
	*offer.Report

	Crowd []crowd.Group `json:"crowd,omitempty"`
}

func (r *report) write(out io.Writer) error {
	err := r.Write(out)
	for _, g := range r.Crowd {
		_, wrong := fmt.Fprintln(out, "beside    "+g.String())
		err = errors.Join(err, wrong)
	}
	return err
}
