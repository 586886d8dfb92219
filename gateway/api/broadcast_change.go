package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/fault"
	"optgate/pipeline/feed"
)

// changeBody bounds the body of a change, which says why.
const changeBody = 8 << 10

// pauseBroadcast answers POST /v1/broadcasts/{id}/pause, resumeBroadcast …/resume and cancelBroadcast …/cancel. A repeat finds
// done what it asks for.
func (a *API) pauseBroadcast(c *call) error { return a.moveBroadcast(c, broadcast.Paused) }

func (a *API) resumeBroadcast(c *call) error { return a.moveBroadcast(c, broadcast.Running) }

func (a *API) cancelBroadcast(c *call) error { return a.moveBroadcast(c, broadcast.Cancelled) }

func (a *API) moveBroadcast(c *call, to broadcast.Status) error {
	body, err := c.body(changeBody)
	if err != nil {
		return err
	}
	reason, err := reasonOf(body)
	if err != nil {
		return err
	}
	b, err := a.broadcastOf(c)
	if err != nil {
		return err
	}
	ref := b.Ref()
	command, err := broadcast.StatusCommand(chance(), ref, to, reason, a.Now().UnixMilli())
	if err != nil {
		return err
	}
	answer, err := a.decide(c.ctx, ref.Shard(a.Shards), command)
	if err != nil {
		return err
	}
	if b, err = a.broadcastOf(c); err != nil {
		return err
	}
	shown, err := a.shown(c.ctx, *b, a.rowsOf(*b).counts)
	if err != nil {
		return err
	}
	if answer == nil {
		return c.answer(http.StatusAccepted, shown) // kept, and decided later
	}
	return c.answer(http.StatusOK, shown)
}

// reasonOf reads the body of a change: none, or {"reason":"…"}.
func reasonOf(body []byte) (reason string, err error) {
	if len(body) == 0 {
		return "", nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return "", fault.New(fault.Invalid, "invalid_json", "The body must be a JSON object, or empty.")
	}
	var wrong []fault.Field
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name != "reason" {
			wrong = append(wrong, fault.Field{Field: name, Code: "unknown_member", Detail: "is not known here"})
		}
	}
	if raw, ok := members["reason"]; ok && (string(raw) == "null" || json.Unmarshal(raw, &reason) != nil) {
		wrong = append(wrong, fault.Field{Field: "reason", Code: "invalid", Detail: "must be a text"})
	}
	if utf8.RuneCountInString(reason) > broadcast.MaxReason {
		wrong = append(wrong, fault.Field{
			Field: "reason", Code: "too_long", Detail: fmt.Sprintf("has at most %d characters", broadcast.MaxReason),
		})
	}
	return reason, wrongFields(wrong)
}

// showNoticeSecret answers GET /v1/webhook-secret: what posts to the webhook URLs of the account's broadcasts are signed with. It is
// derived from the account's key and does not change.
func (a *API) showNoticeSecret(c *call) error {
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	c.rc.Response.Header.Set("Cache-Control", "no-store")
	return c.answer(http.StatusOK, struct {
		Secret string `json:"secret"`
	}{feed.NoticeSecret(account.Key)})
}
