package outbound

import "time"

// quiet says whether the person's quiet hours are on, and when they are over. A message keeps its place in the lane meanwhile, as
// every one that waits: whoever hands broadcasts over sees to it that few do.
func (r *run) quiet(it *item, now time.Time) (opens time.Time, yes bool) {
	if it.Quiet == nil {
		return now, false
	}
	opens = it.Quiet.Opens(r.clocks.For(*it.Quiet, it.To, it.queue.channel.DefaultCountry), now)
	return opens, opens.After(now)
}
