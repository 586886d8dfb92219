package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"time"

	"optgate/pipeline/access"
	"optgate/pipeline/fault"
)

// noted says whether a call goes into the audit: those that may change something, if they succeeded or stand in part, and did
// not say that they changed nothing. What other calls did is not kept.
func (c *call) noted(r *route, status int) bool {
	if r == nil || r.scope == anyone || r.method == http.MethodGet || c.unchanged {
		return false
	}
	return status/100 == 2 || c.partly != ""
}

// changesNothing keeps a call out of the audit: it only asked, or what it did is a record by itself.
func (c *call) changesNothing() { c.unchanged = true }

// Members of an answer that say how many of what were changed, and parts of paths that are ids of ours. Nothing else of an
// answer or a path goes into the audit: it may be somebody's number.
var (
	countsNoted = []string{"added", "changed", "entries", "known", "reachable_again", "refused", "removed", "replayed", "stayed", "subscribed", "unchanged"}
	paramsNoted = []string{"id", "list", "offset", "partition"}
	idForm      = regexp.MustCompile(`^[A-Za-z0-9._:*-]{1,128}$`)
)

// noteWithin bounds how long an answer is held until its entry is kept.
const noteWithin = 5 * time.Second

// note writes what a call has changed into the audit of the account that it concerned. It returns once that is kept.
func (a *API) note(c *call, r *route) error {
	entry := access.Entry{
		At: a.Now().UnixMilli(), Token: c.token, Operator: c.account == "",
		Route: r.method + " " + r.path, Status: c.rc.Response.StatusCode(),
	}
	entry.What, entry.Counts = c.told()
	if c.partly != "" {
		entry.What["id"] = c.partly
	}
	for name, value := range c.params {
		if slices.Contains(paramsNoted, name) && idForm.MatchString(value) {
			entry.What[name] = value
		}
	}
	account := c.account
	if account == "" {
		account = c.concerns
	}
	command, err := access.NewNote(chance(), account, entry)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), noteWithin) // a change may have used up the call's time
	defer cancel()
	if _, err := a.publish(ctx, a.Shards.Account(account), command); err != nil {
		return fault.Wrap(err, fault.Unavailable, "audit_not_kept", "The change stands, but it could not be written into the audit. "+
			"Look at what there is before you repeat it, or repeat it with the Idempotency-Key that it had.")
	}
	return nil
}

// told gives the id that an answer names and what it counts.
func (c *call) told() (what map[string]string, counts map[string]int) {
	what, counts = map[string]string{}, map[string]int{}
	if c.rc.Response.IsBodyStream() {
		return what, counts
	}
	var answer map[string]json.RawMessage
	if json.Unmarshal(c.rc.Response.Body(), &answer) != nil {
		return what, counts
	}
	var id string
	if json.Unmarshal([]byte(cmp.Or(string(answer["id"]), string(answer["push_id"]))), &id) == nil && idForm.MatchString(id) {
		what["id"] = id
	}
	for _, name := range countsNoted {
		var n int
		if json.Unmarshal(answer[name], &n) == nil {
			counts[name] = n
		}
	}
	return what, counts
}
