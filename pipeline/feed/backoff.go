package feed

import (
	"strconv"
	"time"

	"optgate/pipeline/stream"
)

// patience is how long is waited after the first, second … failed attempt of a delivery; after the last of them always as long.
var patience = [...]time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}

// longestAfter bounds what a receiver may ask for by Retry-After.
const longestAfter = time.Hour

// next gives when a delivery is tried again, of which so many attempts have failed since it was made or replayed: up to a
// fifth later than its patience, by its id, so that what failed together doesn't come back together. asked is what the
// receiver asked for, 0 if it didn't. The last attempt is made when the day is over.
func (d *Delivery) next(now time.Time, failed int, asked time.Duration) time.Time {
	wait := patience[min(max(failed, 1), len(patience))-1]
	spread := stream.Spread(d.ID+"/"+strconv.Itoa(failed), 1000)
	wait += wait * time.Duration(spread) / 5000
	at := now.Add(max(wait, min(asked, longestAfter)))
	if until := d.Until(); now.Before(until) && at.After(until) {
		return until
	}
	return at
}
