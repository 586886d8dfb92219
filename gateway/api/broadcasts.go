package api

import "optgate/pipeline/fault"

// BroadcastOptions is what broadcasts stand on besides Options.
type BroadcastOptions struct{}

func (a *API) createBroadcast(*call) error { return errNoBroadcasts() }
func (a *API) showBroadcast(*call) error   { return errNoBroadcasts() }
func (a *API) reportBroadcast(*call) error { return errNoBroadcasts() }

func errNoBroadcasts() error {
	return fault.New(fault.NotFound, "not_found", "There are no broadcasts yet.")
}
