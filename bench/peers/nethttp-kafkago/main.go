// Command nethttp-kafkago is the gateway that a Go programmer writes in an afternoon: net/http, encoding/json, and kafka-go's
// Writer with acks=all. The environment names BROKERS, TOPIC and SECRET; LINGER is the Writer's BatchTimeout, its default of a
// second where it is not given.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"optgate/bench/peers/nethttp"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "nethttp-kafkago:", err)
		os.Exit(1)
	}
}

func serve() error {
	var linger time.Duration
	if text := os.Getenv("LINGER"); text != "" {
		var err error
		if linger, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("LINGER: %w", err)
		}
	}
	writer := &kafka.Writer{
		Addr: kafka.TCP(strings.Split(os.Getenv("BROKERS"), ",")...), Topic: os.Getenv("TOPIC"),
		Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll, BatchTimeout: linger,
	}
	return nethttp.Serve(func(ctx context.Context, key, body []byte) error {
		return writer.WriteMessages(ctx, kafka.Message{Key: key, Value: body})
	})
}
