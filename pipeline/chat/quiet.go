package chat

// Quiet is the hours of a day in which nothing is sent, by the clock of the recipient or of one zone.
type Quiet struct {
	From int    `json:"from"`           // minute of the day at which they begin
	To   int    `json:"to"`             // minute of the day at which they end; before From: on the next day
	Zone string `json:"zone,omitempty"` // of IANA; "": each recipient's own, by the phone number
}
