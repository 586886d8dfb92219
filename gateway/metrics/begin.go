package metrics

import "slices"

// begin makes the series that are known beforehand. One that first appears with its first event begins at 1, and a rate
// over it misses that event.
func (m *Metrics) begin() {
	m.webhooks.begin([]string{
		"kept", "dead", "empty", "unknown_app", "unsigned", "forged", "too_large", "broken", "busy", "unavailable",
	})
	m.items.begin([]string{"message", "receipt", "preference", "identity", "unknown"})
	m.optouts.begin([]string{"default"}, []string{"message", "salvage", "api"})
	m.optouts.begin([]string{"meta"}, []string{"meta"})
	m.gate.begin([]string{"go", "skip", "unknown"})
	m.sends.begin([]string{"replies", "bulk"}, []string{
		"sent", "failed", "skipped", "expired", "cancelled", "unknown", "again", "repeat", "halted", "dead",
	})
	m.dead.begin([]string{
		"not_json", "not_envelope", "empty_envelope", "too_many_items", "unreadable", "unknown_channel", "handler_failed", "fold_failed",
	})
}

// begin makes the series of every combination of the given values, a list of them for each label.
func (c *counter) begin(values ...[]string) {
	combinations := [][]string{nil}
	for _, list := range values {
		var longer [][]string
		for _, head := range combinations {
			for _, value := range list {
				longer = append(longer, append(slices.Clip(head), value))
			}
		}
		combinations = longer
	}
	for _, combination := range combinations {
		c.add(0, combination...)
	}
}
