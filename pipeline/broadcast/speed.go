package broadcast

import "time"

const (
	leastCredit = 300         // messages in the lanes, however slowly they are answered
	speedLook   = time.Second // over which answers are counted
)

// speed is how fast the lanes answer for a broadcast. A number that may send 1,000 a second sends a few where Meta is slow, and
// what waits in its lanes then would leave long after a pause.
type speed struct {
	answers int // since began
	began   time.Time
	rate    float64 // answers a second
}

// credit is how many messages may be in the lanes, so that they leave within creditTime. It follows the last second's
// answers, and falls by half a second at most.
func (s *speed) credit(now time.Time) int {
	if s.began.IsZero() {
		s.began = now
	}
	if took := now.Sub(s.began); took >= speedLook {
		s.rate = max(float64(s.answers)/took.Seconds(), s.rate/2)
		s.answers, s.began = 0, now
	}
	return max(leastCredit, int(s.rate*creditTime.Seconds()))
}
