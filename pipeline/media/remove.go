package media

import (
	"context"
	"time"
)

// Remover has Meta delete what it still has of files that are gone. It is for one goroutine.
type Remover struct {
	Graph remover

	later map[string]try // by Meta's id
}

// remover deletes a file at Meta; nil also where it is not there any more.
type remover interface {
	DeleteMedia(ctx context.Context, account, channel, id string) error
}

type try struct {
	at    time.Time
	pause time.Duration
}

// What Meta can't be asked is asked again after a pause that doubles. After 30 days Meta has forgotten by itself.
const (
	firstPause = 15 * time.Second
	lastPause  = time.Hour
)

// Remove gives the ids of what Meta has no longer.
func (r *Remover) Remove(ctx context.Context, gone Copies, now time.Time) (ids []string) {
	for id, copied := range gone.Uploads {
		before, again := r.later[id]
		if again && now.Before(before.at) {
			continue
		}
		over := now.UnixMilli()-copied.At >= uploadEnds.Milliseconds()
		if over || r.Graph.DeleteMedia(ctx, gone.Account, copied.Channel, id) == nil {
			ids = append(ids, id)
			delete(r.later, id)
			continue
		}
		if r.later == nil {
			r.later = map[string]try{}
		}
		pause := min(max(2*before.pause, firstPause), lastPause)
		r.later[id] = try{now.Add(pause), pause}
	}
	return ids
}
