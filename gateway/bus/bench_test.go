package bus_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"optgate/gateway/bus"
	"optgate/gateway/embedded"
	"optgate/pipeline/stream"
)

// BenchmarkPublish keeps webhooks of 1 KiB, as many at once as an ingress would; with OPTGATE_TEST_KAFKA on that Kafka.
func BenchmarkPublish(b *testing.B) {
	brokers := strings.Split(os.Getenv("OPTGATE_TEST_KAFKA"), ",")
	if brokers[0] == "" {
		e, err := embedded.Start(embedded.Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = e.Close() }()
		brokers = []string{e.Kafka}
	}
	door, err := bus.Open(bus.Config{Brokers: brokers, Prefix: fmt.Sprintf("bench-%d.", time.Now().UnixNano()), Shards: 16, SingleCopy: true}, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = door.Close() }()
	if _, err := door.Bootstrap(b.Context(), "i", ""); err != nil {
		b.Fatal(err)
	}
	for _, together := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("together=%d", together), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(1 << 10)
			b.SetParallelism(together)
			value := make([]byte, 1<<10)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					r := &stream.Record{Topic: stream.Inbound, Partition: i % 16, Value: value, Headers: []stream.Header{{Key: "v", Value: "1"}}}
					if err := door.Publish(b.Context(), r); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
