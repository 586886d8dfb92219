// Command nethttp-franz is the same afternoon's work with a faster client: net/http, encoding/json, and franz-go with acks=all,
// idempotent, without a linger, as it is by default. The environment names BROKERS, TOPIC and SECRET.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"optgate/bench/peers/nethttp"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "nethttp-franz:", err)
		os.Exit(1)
	}
}

func serve() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(os.Getenv("BROKERS"), ",")...), kgo.DefaultProduceTopic(os.Getenv("TOPIC")),
		kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	return nethttp.Serve(func(ctx context.Context, key, body []byte) error {
		return client.ProduceSync(ctx, &kgo.Record{Key: key, Value: body}).FirstErr()
	})
}
