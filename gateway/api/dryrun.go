package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/template"
)

// rehearsalTime bounds a dry run: a million recipients take some tens of seconds.
const rehearsalTime = 5 * time.Minute

// rehearse answers a dry run: what the broadcast would do now. found and unfit are what is known of its template.
func (a *API) rehearse(c *call, terms broadcast.Terms, body []byte, r broadcast.Request, wrong []fault.Field, found *template.Template, unfit []fault.Field) error {
	c.changesNothing()
	draft, err := terms.Draft("dry", body, r, wrong)
	if err != nil {
		return err
	}
	if draft.Plan.Source != (broadcast.Source{}) { // as large as a file
		done, err := a.importing.begin(c.account)
		if err != nil {
			return err
		}
		defer done()
	}
	run := a.Broadcast.DryRun
	run.Channel, _ = a.Directory.Channel(c.account, r.Channel)
	ctx, stop := context.WithTimeout(c.base, rehearsalTime)
	defer stop()
	said, err := run.Run(ctx, draft, terms, found, unfit)
	c.afresh()
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return fault.Wrap(err, fault.Unavailable, "busy", "The dry run took too long. Try again later.")
	case err != nil:
		return err
	}
	return c.answer(http.StatusOK, said)
}
