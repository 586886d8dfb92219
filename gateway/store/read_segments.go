package store

import (
	"context"
	"encoding/json"
	"fmt"

	"optgate/pipeline/fault"
	"optgate/pipeline/segment"
)

// Segments reads the saved segments of an account, in the order in which they were made.
func (s *Store) Segments(ctx context.Context, account string) ([]segment.Segment, error) {
	states, err := s.States(ctx, s.shards.Account(account), segment.SegmentsKey(account))
	if err != nil || states[0] == nil {
		return nil, err
	}
	var all segment.Segments
	if err := json.Unmarshal(states[0], &all); err != nil {
		return nil, fmt.Errorf("read segments: %w", err)
	}
	return all.Segments, nil
}

// Segment reads one segment of an account; fault.NotFound where there is none.
func (s *Store) Segment(ctx context.Context, account, id string) (*segment.Segment, error) {
	all, err := s.Segments(ctx, account)
	if err != nil {
		return nil, err
	}
	if at := (segment.Segments{Segments: all}).Find(id); at >= 0 {
		return &all[at], nil
	}
	return nil, fault.New(fault.NotFound, segment.CodeUnknown, "There is no segment with this id.")
}
