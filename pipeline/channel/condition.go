// Package channel knows in what condition a way to reach people is: what Meta allows a number, how Meta finds its quality,
// and which of its templates may be sent. It folds what webhooks and Graph tell.
package channel

// Condition is what is known of a channel. The zero Condition: nothing yet, and nothing bars it.
type Condition struct {
	V       int    `json:"v"`
	Account string `json:"account"`
	Channel string `json:"channel"`
	Tier    int    `json:"tier,omitempty"`    // people outside a service window in 24 h; 0: not known, Unlimited: as many as there are
	Rate    int    `json:"rate,omitempty"`    // messages a second; 0: not known
	Quality string `json:"quality,omitempty"` // GREEN, YELLOW, RED; "": not known
	Barred  *Bar   `json:"barred,omitempty"`  // nothing can be sent by it; nil: nothing is known to stand in the way
}

// Unlimited is the tier without a limit.
const Unlimited = -1

// Bar says why something can't be sent.
type Bar struct {
	Code   string `json:"code"`   // stable, as token_expired
	Reason string `json:"reason"` // one sentence for people
	At     int64  `json:"at"`     // ms since 1970
}
