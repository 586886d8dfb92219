package api

// table shows every URL, with who may call it and what answers. Every call that needs a token is counted against its limit.
func (a *API) table() []route {
	routes := []route{
		{"GET", "/healthz", anyone, a.alive},
		{"GET", "/readyz", anyone, a.ready},
		{"GET", "/metrics", anyone, a.showMetrics},
		{"GET", "/v1/openapi.yaml", anyone, a.showDocument},

		{"POST", "/v1/broadcasts", send, a.createBroadcast},
		{"GET", "/v1/broadcasts", read, a.listBroadcasts},
		{"GET", "/v1/broadcasts/{id}", read, a.showBroadcast},
		{"POST", "/v1/broadcasts/{id}/pause", send, a.pauseBroadcast},
		{"POST", "/v1/broadcasts/{id}/resume", send, a.resumeBroadcast},
		{"POST", "/v1/broadcasts/{id}/cancel", send, a.cancelBroadcast},
		{"GET", "/v1/broadcasts/{id}/report", read, a.reportBroadcast},
		{"GET", "/v1/broadcasts/{id}/duplicates", read, a.listDuplicates},
		{"GET", "/v1/broadcasts/{id}/events", read, a.watchBroadcast},
		{"POST", "/v1/audiences", send, a.createAudience},
		{"GET", "/v1/audiences", read, a.listAudiences},
		{"GET", "/v1/audiences/{id}", read, a.showAudience},
		{"GET", "/v1/audiences/{id}/refused", read, a.streamRefusedLines},
		{"DELETE", "/v1/audiences/{id}", send, a.deleteAudience},
		{"POST", "/v1/messages", send, a.createMessage},
		{"GET", "/v1/messages/{id}", read, a.showMessage},

		{"GET", "/v1/templates", read, a.listTemplates},
		{"POST", "/v1/media", send, a.createMedia},
		{"GET", "/v1/media", read, a.listMedia},
		{"GET", "/v1/media/{id}", read, a.showMedia},
		{"GET", "/v1/media/{id}/content", read, a.streamMedia},
		{"DELETE", "/v1/media/{id}", send, a.deleteMedia},

		{"POST", "/app/api/v2/push", inBody, a.push},
		{"POST", "/api/v2/push", inBody, a.push},
		{"POST", "/app/api/v2/delivery-report", inBody, a.pushReport},
		{"POST", "/api/v2/delivery-report", inBody, a.pushReport},

		{"GET", "/v1/optout-lists", read, a.listLists},
		{"POST", "/v1/optout-lists", lists, a.createList},
		{"GET", "/v1/optout-lists/{list}", read, a.showList},
		{"PATCH", "/v1/optout-lists/{list}", lists, a.changeList},
		{"DELETE", "/v1/optout-lists/{list}", lists, a.deleteList},
		{"GET", "/v1/optout-lists/{list}/near-misses", read, a.listNear},
		{"POST", "/v1/optout-lists/{list}/near-misses/adopt", lists, a.adoptNear},
		{"GET", "/v1/optout-lists/{list}/entries", read, a.listEntries},
		{"POST", "/v1/optout-lists/{list}/entries", lists, a.addEntry},
		{"DELETE", "/v1/optout-lists/{list}/entries/{id}", lists, a.removeEntry},
		{"POST", "/v1/imports", lists, a.createImport},
		{"GET", "/v1/imports", read, a.listImports},
		{"GET", "/v1/imports/{id}", read, a.showImport},
		{"GET", "/v1/imports/{id}/refused", read, a.streamRefused},

		{"POST", "/v1/optout-lists/{list}/entries/delete", lists, a.removeEntries},
		{"GET", "/v1/people/{identifier}", read, a.showPerson},
		{"POST", "/v1/people/{identifier}/optouts", lists, a.optOutPerson},
		{"DELETE", "/v1/people/{identifier}/optouts", lists, a.optInPerson},
		{"GET", "/v1/why", read, a.why},
		{"GET", "/v1/blacklist", read, a.listBlacklist},
		{"POST", "/v1/blacklist", lists, a.block},
		{"DELETE", "/v1/blacklist/{id}", lists, a.unblock},
		{"POST", "/v1/blacklist/delete", lists, a.unblockMany},

		{"GET", "/v1/contacts", read, a.listContacts},
		{"POST", "/v1/contacts", send, a.upsertContacts},
		{"GET", "/v1/contacts/{id}", read, a.showContact},
		{"PATCH", "/v1/contacts/{id}", send, a.changeContact},
		{"DELETE", "/v1/contacts/{id}", send, a.deleteContact},
		{"GET", "/v1/segments", read, a.listSegments},
		{"POST", "/v1/segments", send, a.createSegment},
		{"POST", "/v1/segments/count", read, a.countUnsaved},
		{"GET", "/v1/segments/{id}", read, a.showSegment},
		{"PATCH", "/v1/segments/{id}", send, a.changeSegment},
		{"DELETE", "/v1/segments/{id}", send, a.deleteSegment},
		{"GET", "/v1/segments/{id}/count", read, a.countSegment},

		{"GET", "/v1/optout-lists/{list}/deliveries", read, a.listDeliveries},
		{"GET", "/v1/optout-lists/{list}/deliveries/{id}", read, a.showDelivery},
		{"POST", "/v1/optout-lists/{list}/deliveries/test", lists, a.testDelivery},
		{"POST", "/v1/optout-lists/{list}/deliveries/replay", lists, a.replayDeliveries},
		{"POST", "/v1/optout-lists/{list}/deliveries/{id}/replay", lists, a.replayDelivery},
		{"GET", "/v1/optout-lists/{list}/webhook-secret", admin, a.showFeedSecret},
		{"POST", "/v1/optout-lists/{list}/webhook-secret", admin, a.turnFeedSecret},

		{"POST", "/v1/unsubscribe-links", lists, a.createLinks},

		{"POST", "/v1/tokens", governor, a.createToken},
		{"GET", "/v1/tokens", governor, a.listTokens},
		{"DELETE", "/v1/tokens/{id}", governor, a.revokeToken},
		{"GET", "/v1/audit", governor, a.listAudit},

		{"GET", "/v1/ledger", admin, a.exportLedger},
		{"GET", "/v1/ledger/verify", operator, a.verifyLedger},
		{"POST", "/v1/ledger/verify", operator, a.verifyLedger},
		{"GET", "/v1/ledger/heads", operator, a.ledgerHeads},
		{"POST", "/v1/keyword-replays", lists, a.replayKeywords},

		{"GET", "/v1/tail/{topic}", operator, a.tail},
		{"GET", "/v1/dead", operator, a.listDead},
		{"GET", "/v1/dead/{partition}/{offset}", operator, a.showDead},
		{"POST", "/v1/dead/{partition}/{offset}/replay", operator, a.replayOne},
		{"POST", "/v1/dead/replay", operator, a.replayMany},
	}
	if a.Profiles {
		routes = append(routes, route{"GET", "/debug/pprof/{profile}", operator, a.profile})
	}
	return routes
}
