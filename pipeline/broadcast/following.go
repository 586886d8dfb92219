package broadcast

import (
	"context"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// following reads a shard's outcomes one round ahead of who folds them.
type following struct {
	rounds chan fed
	stop   func()
}

type fed struct {
	round stream.Round
	err   error
}

// follow reads outcomes from an offset on.
func (r *Runner) follow(from int64) {
	r.unfollow()
	ctx, cancel := context.WithCancel(r.session)
	f := &following{rounds: make(chan fed)}
	follower, ended := r.Follow(from), make(chan struct{})
	go func() {
		defer close(ended)
		f.feed(ctx, follower)
	}()
	f.stop = func() {
		cancel()
		<-ended
		follower.Close()
	}
	r.following, r.tail, r.caught = f, from, false
}

func (f *following) feed(ctx context.Context, follower shard.Follower) {
	for {
		round, err := follower.Next(ctx)
		select {
		case f.rounds <- fed{round, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (r *Runner) unfollow() {
	if r.following != nil {
		r.following.stop()
		r.following = nil
	}
}
