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
		{"GET", "/v1/broadcasts/{id}/report", read, a.reportBroadcast},
		{"POST", "/v1/messages", send, a.createMessage},

		{"GET", "/v1/optout-lists", read, a.listLists},
		{"GET", "/v1/optout-lists/{list}", read, a.showList},
		{"GET", "/v1/optout-lists/{list}/entries", read, a.listEntries},
		{"POST", "/v1/optout-lists/{list}/entries", lists, a.addEntry},
		{"DELETE", "/v1/optout-lists/{list}/entries/{id}", lists, a.removeEntry},
		{"GET", "/v1/why", read, a.why},

		{"POST", "/v1/unsubscribe-links", lists, a.createLinks},

		{"POST", "/v1/tokens", governor, a.createToken},
		{"GET", "/v1/tokens", governor, a.listTokens},
		{"DELETE", "/v1/tokens/{id}", governor, a.revokeToken},
		{"GET", "/v1/audit", governor, a.listAudit},

		{"GET", "/v1/tail/{topic}", operator, a.tail},
		{"GET", "/v1/dead", operator, a.listDead},
		{"GET", "/v1/dead/{partition}/{offset}", operator, a.showDead},
	}
	if a.Profiles {
		routes = append(routes, route{"GET", "/debug/pprof/{profile}", operator, a.profile})
	}
	return routes
}
