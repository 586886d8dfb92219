package api

// table shows every URL, with who may call it and what answers.
func (a *API) table() []route {
	return []route{
		{"GET", "/healthz", anyone, a.alive},
		{"GET", "/readyz", anyone, a.ready},

		{"POST", "/v1/broadcasts", send, a.createBroadcast},
		{"GET", "/v1/broadcasts", read, a.listBroadcasts},
		{"GET", "/v1/broadcasts/{id}", read, a.showBroadcast},
		{"GET", "/v1/broadcasts/{id}/report", read, a.reportBroadcast},
		{"POST", "/v1/messages", send, a.createMessage},
	}
}
