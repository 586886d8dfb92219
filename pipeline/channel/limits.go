package channel

import (
	"strconv"
	"strings"

	"optgate/pipeline/chat"
)

// Messages a second that Meta allows a number.
const (
	standardRate = 80
	highRate     = 1000 // after an upgrade
	coexistRate  = 20   // while the app on a phone uses it too
)

// Rate gives how many messages a second may leave by a channel: as declared or, where nothing is, as Meta says, 80 until that
// is known. A number that the app on a phone uses too gets 20 at most.
func Rate(declared chat.Channel, c Condition) float64 {
	rate := declared.Rate
	if rate <= 0 {
		if rate = float64(c.Rate); rate <= 0 {
			rate = standardRate
		}
	}
	if c.Coexists {
		rate = min(rate, coexistRate)
	}
	return rate
}

// TierOf reads a tier in any of Meta's writings: TIER_2K, TIER_UNLIMITED, 2000. 0: it isn't known, as of TIER_NOT_SET.
func TierOf(text string) int {
	text = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "TIER_")
	if text == "UNLIMITED" {
		return Unlimited
	}
	digits, thousands := strings.CutSuffix(text, "K")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || n > largestTier:
		return 0
	case n < 0:
		return Unlimited
	case thousands:
		return n * 1000
	}
	return n
}

// largestTier is more people than there are.
const largestTier = 10_000_000_000
