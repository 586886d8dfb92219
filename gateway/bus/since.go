package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"optgate/pipeline/stream"
)

// errNoneSince says that all records of a partition are older than a time.
var errNoneSince = errors.New("kafka: no record since then")

// Since gives the offset of the first record of a partition that is not older than a time; the one after its last where all
// are older, or where there is none. Records after it may be older all the same, since clocks of those who append differ. It
// tries until ctx ends.
func (b *Bus) Since(ctx context.Context, topic stream.Topic, partition int, t time.Time) (offset int64, err error) {
	at := place{topic, partition}
	stays := func(err error) bool { return final(err) || errors.Is(err, errNoneSince) }
	err = b.retry(ctx, stays, func() error {
		offset, err = b.edge(ctx, at, max(t.UnixMilli(), 0))
		return err
	})
	if errors.Is(err, errNoneSince) {
		_, offset, err = b.Ends(ctx, topic, partition)
	}
	if err != nil {
		return 0, fmt.Errorf("offset of a time in %s/%d: %w", topic, partition, err)
	}
	return offset, nil
}
