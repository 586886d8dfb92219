package metrics

// begin makes the series that are known beforehand.
func (m *Metrics) begin() {
	lanes := []string{"replies", "bulk"}
	m.webhooks.begin([]string{
		"kept", "dead", "empty", "unknown_app", "unsigned", "forged", "too_large", "broken", "busy", "unavailable",
	})
	m.items.begin([]string{"message", "receipt", "preference", "identity", "notice", "unknown"})
	m.optouts.begin([]string{"default"}, "message", "salvage", "api", "import", "link")
	m.optouts.begin([]string{"meta"}, "meta")
	m.gate.begin([]string{"go", "skip", "unknown"})
	m.sends.begin(lanes,
		"sent", "failed", "skipped", "expired", "cancelled", "unknown", "again", "repeat", "halted", "tier_full", "dead",
	)
	m.paused.begin([]string{
		"asked", "token_expired", "no_permission", "account_locked", "payment_required", "number_unusable", "spam_limit", "template_unusable",
		"marketing_refused", "unwanted", "failures", "account_disabled", "account_deleted", "account_offboarded", "access_removed",
		"account_restricted", "account_rejected", "number_blocked", "template_not_sendable", "template_quality", "quality_low",
		"quality_flagged", "quality_fell",
	})
	m.dead.begin([]string{
		"not_json", "not_envelope", "empty_envelope", "too_many_items", "unreadable", "unknown_channel", "handler_failed",
		"not_a_command", "unknown_command", "bad_command", "fold_failed", "too_much", "no_message", "feed_undelivered",
	})
	m.links.begin([]string{"shown", "pressed", "unknown", "gone", "too_large", "broken", "busy", "unavailable"})
	m.feed.begin([]string{"delivered", "failed", "dead", "dropped"})
	m.inForce.begin([]string{"consent.change", "consent.link"})
	m.claims.begin([]string{"hard", "soft"})
	m.calls.begin(lanes)
	m.open.begin(lanes)
	m.publishes.begin([]string{"ingress", "console", "pipeline", "sender"})
	m.unpublished.begin([]string{"ingress", "console", "pipeline", "sender"})
	m.looks.begin([]string{"kafka", "redis"})
}
