package shard

import (
	"context"
	"errors"
	"time"
)

// View is the shard's picture for readers. It is written by the owner alone and compares its position at every write, so
// that an owner of yesterday can't spoil it.
type View interface {
	// Position tells where the view stands.
	Position(ctx context.Context) (Position, error)
	// Begin makes the view this generation's. It drops the lease, and all else too unless p is whole. Errors:
	// stream.ErrDeposed where a higher generation stands, ErrMoved where the view is no longer as seen.
	Begin(ctx context.Context, seen, p Position) error
	// Load reads states; ErrMoved where the view is not at p. A state that isn't there is nil.
	Load(ctx context.Context, p Position, keys []string) ([][]byte, error)
	// Apply moves the view with the states decided between two positions, and lets the lease end at a time of the view's
	// clock (zero: leaves it). It gives that clock. ErrMoved where the view is not at from.
	Apply(ctx context.Context, from, to Position, changes []Change, lease time.Time) (time.Time, error)
}

// ErrMoved says that the view isn't where its owner left it: wiped, replaced, or another's.
var ErrMoved = errors.New("view is not where its owner left it")

// Position is where a view stands. The zero Position is a view that was wiped or never made.
type Position struct {
	Token      string        // as it is stored, for Begin's comparison
	Generation int64         // of the owner that wrote it
	Next       int64         // offset of the next record of state
	Whole      bool          // else it is being loaded
	Age        time.Duration // since it last changed
}

// Change is one state decided.
type Change struct {
	Key string
	Old []byte // what was there before; nil: nothing
	New []byte // nil: gone
}
