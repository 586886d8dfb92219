package bus

import (
	"time"

	"optgate/pipeline/stream"
)

// sluggish is how long a request may be on its way before records that may go anywhere go elsewhere. A broker that hangs
// would otherwise have all of them wait for it until its request is given up, which is longer than their callers do.
const sluggish = 500 * time.Millisecond

// turn gives the partition for a record that may go to any of n. It is the same as for the last one until that one's batch is
// sent, or full, or can't be sent, or its broker hangs; then the next one that is free, on a broker that has nothing to do if
// there is any. So a request to Kafka holds one batch of such records instead of one in each partition. The mutex is held.
func (q *queue) turn(topic stream.Topic, n, size int) int {
	now, next := q.turns[topic], -1
	for i := range n {
		p := (now + i) % n
		l := q.lane(place{topic, p})
		if !l.free(size) {
			continue
		}
		if next < 0 {
			next = p
		}
		if i == 0 || l.leader == nil || !l.leader.busy {
			next = p
			break
		}
	}
	if next < 0 { // all are on their way, or fail
		if next = now; !q.lane(place{topic, now}).room(size) {
			next = (now + 1) % n
		}
	}
	q.turns[topic] = next
	return next
}

// free says that a record may join what will be sent next.
func (l *lane) free(size int) bool {
	return !l.sending && l.why == nil && l.room(size) && (l.leader == nil || !l.leader.hangs())
}

// hangs says that a broker has kept a request waiting for suspiciously long.
func (l *leader) hangs() bool { return l.busy && time.Since(l.began) > sluggish }

// room says that a record of this size needs no further batch.
func (l *lane) room(size int) bool {
	n := len(l.waiting)
	return n == 0 || n == 1 && l.waiting[0].fits(size)
}

// fits says that a record of at most this size may join a batch.
func (o *openBatch) fits(size int) bool { return !o.read && len(o.encoded)+size <= maxBatch+beginning }
