package chat

// Notice is what Meta tells of a number, a business account or a template rather than of a person: by a webhook, or when
// asked.
type Notice struct {
	WABA     string `json:"waba,omitempty"`     // Meta's id of the business account
	Number   string `json:"number,omitempty"`   // digits of the number, as displayed; "": the whole business account, or a template
	Template string `json:"template,omitempty"` // its name
	Language string `json:"language,omitempty"` // and its language
	Says     []Said `json:"says"`
}

// Said is one thing that a Notice tells.
type Said struct {
	Subject string `json:"subject"`
	Value   string `json:"value"`            // Meta's word, in capitals
	Detail  string `json:"detail,omitempty"` // Meta's further words, without anything personal
	Until   int64  `json:"until,omitempty"`  // ms since 1970 at which it ends by itself; 0: it doesn't
}

// The subjects of notices.
const (
	SaysTier             = "tier"        // people outside a service window in 24 h: TIER_2K, or a number; of the portfolio
	SaysThroughput       = "throughput"  // level of messages a second: STANDARD, HIGH
	SaysQuality          = "quality"     // of the number: GREEN, YELLOW, RED
	SaysEvent            = "event"       // of the number: FLAGGED, UNFLAGGED, DOWNGRADE, UPGRADE, ONBOARDING
	SaysStatus           = "status"      // of the number: CONNECTED, BANNED …
	SaysCoexistence      = "coexistence" // TRUE: the number is used by the app on a phone too
	SaysDisplay          = "display"     // digits of the number, as displayed
	SaysToken            = "token"       // whether Graph takes the access token: GOOD, REFUSED
	SaysAccount          = "account"     // event of the business account, as DISABLED_UPDATE; the detail is its new state
	SaysReview           = "review"      // of the business account: APPROVED, REJECTED
	SaysAlert            = "alert"       // kind of an alert about the business account
	SaysTemplate         = "template"    // status of a template: APPROVED, PAUSED, REJECTED …
	SaysTemplateQuality  = "template_quality"
	SaysTemplateCategory = "template_category"
)
