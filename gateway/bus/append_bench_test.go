package bus

import (
	"fmt"
	"testing"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"optgate/pipeline/stream"
)

// BenchmarkAppend appends states to owned logs of a Kafka in this process, by one owner alone and by 64 at once.
func BenchmarkAppend(b *testing.B) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	const shards = 64
	door, err := Open(Config{Brokers: cluster.ListenAddrs(), Prefix: "b.", Shards: shards, SingleCopy: true}, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = door.Close() }()
	if _, err := door.Bootstrap(b.Context(), "i", ""); err != nil {
		b.Fatal(err)
	}
	for _, owners := range []int{1, shards} {
		for _, records := range []int{2, 200} {
			b.Run(fmt.Sprintf("owners=%d/records=%d", owners, records), func(b *testing.B) {
				b.ReportAllocs()
				turns := make(chan struct{}, b.N)
				for range b.N {
					turns <- struct{}{}
				}
				close(turns)
				ended := make(chan error, owners)
				for s := range owners {
					go func() { ended <- door.appends1(b, s, records, turns) }()
				}
				for range owners {
					if err := <-ended; err != nil {
						b.Error(err)
					}
				}
			})
		}
	}
}

// appends1 is one owner that appends for each turn it gets.
func (b *Bus) appends1(t testing.TB, shard, records int, turns <-chan struct{}) error {
	o := b.Own("shard", shard)
	if err := o.Claim(t.Context()); err != nil {
		return err
	}
	states := make([]*stream.Record, records)
	for i := range states {
		states[i] = &stream.Record{Key: fmt.Appendf(nil, "person/acme/%d", i), Value: make([]byte, 250)}
	}
	for range turns {
		if _, err := o.Append(t.Context(), stream.State, states); err != nil {
			return err
		}
	}
	return nil
}
