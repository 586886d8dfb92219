package feed

import (
	"time"

	"github.com/sony/gobreaker/v2"
)

// door is one URL.
type door struct {
	slots   chan struct{} // callsPerURL: those taken by calls and those held back
	held    int           // back, at most callsPerURL - callsFirst
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	users   int
	until   time.Time // the receiver asked to be left alone until then
}

// waits says that a URL is left alone at a time.
func (c *Courier) waits(target string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.doors[target]
	if d == nil {
		return false
	}
	state := d.breaker.State()
	return now.Before(d.until) || state == gobreaker.StateOpen || state == gobreaker.StateHalfOpen && d.users > 0 // who finds out whether it has come back
}

// rests says that a URL's receiver has asked to be left alone at a time; rest notes that it asks so.
func (c *Courier) rests(d *door, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(d.until)
}

func (c *Courier) rest(d *door, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if until.After(d.until) {
		d.until = until
	}
}

// free gives a slot back after a call. One that was answered frees another one that is held back, so that a receiver gets
// more at once as it answers; one that failed holds its own back, so that those who hang take few slots from the others.
func (c *Courier) free(d *door, called, answered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case called && !answered && d.held < callsPerURL-callsFirst:
		d.held++
		return
	case answered && d.held > 0:
		d.held--
		<-d.slots
	}
	<-d.slots
}

// enter finds or makes a URL's door.
func (c *Courier) enter(target string) *door {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.doors[target]
	if d == nil {
		c.tidy()
		d = &door{slots: make(chan struct{}, callsPerURL), held: callsPerURL - callsFirst}
		for range d.held {
			d.slots <- struct{}{}
		}
		d.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Timeout: openFor, ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= failures },
		})
		c.doors[target] = d
	}
	d.users++
	return d
}

func (c *Courier) leave(d *door) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.users--
}

// tidy forgets doors that nobody uses, once there are many: a door made anew is closed to nobody.
func (c *Courier) tidy() {
	if len(c.doors) < doorsKept {
		return
	}
	for target, d := range c.doors {
		if d.users == 0 && d.breaker.State() != gobreaker.StateOpen {
			delete(c.doors, target)
		}
	}
}
