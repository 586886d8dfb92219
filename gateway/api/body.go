package api

import (
	"optgate/gateway/httpd"
	"optgate/pipeline/fault"
)

// Limits of bodies, in bytes.
const (
	smallBody = 64 << 10
	allBodies = 64 << 20 // of all calls at once
)

// body reads the call's body of at most limit bytes. It counts as in hand until the call is answered, so that many large calls
// at once don't take all memory.
func (c *call) body(limit int) ([]byte, error) {
	announced := int64(max(c.rc.Request.Header.ContentLength(), 0))
	return httpd.ReadBody(c.rc, limit, nil, func(n int) error {
		coming := int64(0)
		if c.held == 0 && n == 0 { // nothing has been read: what there is no room for need not be
			coming = announced
		}
		c.held += int64(n)
		if c.api.inHand.Add(int64(n))+coming > allBodies {
			return fault.New(fault.Unavailable, "busy", "Too many large requests are in hand: come back in a second.")
		}
		return nil
	})
}

// letGo ends what body began.
func (c *call) letGo() { c.api.inHand.Add(-c.held) }
