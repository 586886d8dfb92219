// Command broker is the Kafka that Optgate embeds, in a process of its own, so that what a gateway costs is not mixed with what
// Kafka costs. It makes the topics that the arguments name as NAME:PARTITIONS, and runs until it is told to stop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	if err := serve(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "broker:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	flags := flag.NewFlagSet("broker", flag.ContinueOnError)
	dir := flags.String("data", "", "`FOLDER` of its data")
	synced := flags.Bool("sync", false, "each write is on the disk before it is acknowledged")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		return errors.New("-data is missing: in memory alone it stops for garbage too long to be measured")
	}
	settings := []kfake.Opt{
		kfake.NumBrokers(1), kfake.DataDir(*dir),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": "315360000000"}), // it would stop everything else
	}
	if *synced {
		settings = append(settings, kfake.SyncWrites())
	}
	for _, topic := range flags.Args() {
		name, partitions, _ := strings.Cut(topic, ":")
		n, err := strconv.ParseInt(partitions, 10, 32)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no topic with its partitions, as inbound:16", topic)
		}
		settings = append(settings, kfake.SeedTopics(int32(n), name))
	}
	cluster, err := kfake.NewCluster(settings...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, err := fmt.Fprintln(os.Stdout, "listening on", cluster.ListenAddrs()[0]); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
