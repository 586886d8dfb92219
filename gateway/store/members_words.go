package store

import (
	"context"
	"time"

	"optgate/pipeline/chat"
)

// served gives everybody who wrote by a channel since a time, some at a time.
func (s *Store) served(ctx context.Context, account, channel string, since time.Time, each func([]chat.Identifier) error) error {
	window, ok := any(s).(interface {
		Served(ctx context.Context, account, channel string, since time.Time, each func([]chat.Identifier) error) error
	})
	if !ok {
		return nil
	}
	return window.Served(ctx, account, channel, since, each)
}

// heard gives when each of some identifiers was last heard on a channel, in ms since 1970; 0 where that is over 24 hours ago.
func (s *Store) heard(ctx context.Context, account, channel string, ids []chat.Identifier) ([]int64, error) {
	last := make([]int64, len(ids))
	window, ok := any(s).(interface {
		InService(ctx context.Context, account, channel string, ids []chat.Identifier) ([]bool, error)
	})
	if !ok {
		return last, nil
	}
	in, err := window.InService(ctx, account, channel, ids)
	for i := range in {
		if in[i] {
			last[i] = time.Now().UnixMilli()
		}
	}
	return last, err
}
