package shard

import "optgate/pipeline/stream"

// Said gives what a fold has said on this turn: the states it decided (nil: gone), rows of the ledger and effects, each in
// their order. It is for whoever runs a fold without an Owner, as tests of folds do.
func (t *Turn) Said() (states map[string][]byte, rows, effects []*stream.Record) {
	return t.changed, t.rows, t.effects
}
