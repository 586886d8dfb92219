package store

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/optout"
)

// heard gives when each of some people was last heard on a channel, in ms since 1970; 0 where that isn't known or they have no
// identifier that anybody has shown.
func (s *Store) heard(ctx context.Context, account, channel string, people []optout.Ref) ([]int64, error) {
	members, places := map[string][]string{}, map[string][]int{}
	for i, ref := range people {
		if ref.ID != "" {
			key := s.serviceKey(s.shards.Of(ref.P), account, channel)
			members[key], places[key] = append(members[key], string(ref.ID)), append(places[key], i)
		}
	}
	asked := map[string]*redis.FloatSliceCmd{}
	pipe := s.rdb.Pipeline()
	for key, ids := range members {
		asked[key] = pipe.ZMScore(ctx, key, ids...)
	}
	if _, err := pipe.Exec(ctx); err != nil && len(asked) > 0 {
		return nil, uncertain(fmt.Errorf("read service windows: %w", err))
	}
	last := make([]int64, len(people))
	for key, said := range asked {
		for n, i := range places[key] {
			last[i] = int64(said.Val()[n])
		}
	}
	return last, nil
}
