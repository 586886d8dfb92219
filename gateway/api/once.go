package api

import (
	"fmt"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// once gives the id of what a call asks for. Without an Idempotency-Key it is random; with one it is the key's, and the key
// is bound for 24 h to what was asked under it first: whoever comes with something else under the same key is refused, and
// again is true for whoever comes with the same. body is the call's, as it came.
func (a *API) once(c *call, account optout.Account, body []byte) (id string, again bool, err error) {
	key, err := c.idempotency()
	if err != nil || key == "" {
		return chance(), false, err
	}
	id = onceID(account, key)
	uri := c.rc.URI()
	asked := account.Key.Message(fmt.Sprintf("asked:%s %q %q %q", c.rc.Method(), uri.PathOriginal(), uri.QueryString(), body))
	at := optout.OnceShard(a.Shards, account.ID, id)
	said, err := a.States.States(c.ctx, at, shard.AnswerKey(id))
	if err != nil {
		return "", false, err
	}
	again = said[0] != nil
	record, err := optout.Once{Asked: asked}.Record(a.Shards, id, account.ID, a.Now().UnixMilli())
	if err != nil {
		return "", false, err
	}
	if err := a.Publisher.Publish(c.ctx, record); err != nil {
		return "", false, notKept(err)
	}
	answer, err := a.decided(c.ctx, at, record.Offset, id)
	if err != nil {
		return "", false, err
	}
	if answer == nil {
		return "", false, fault.New(fault.Unavailable, "unavailable", "The key could not be kept in time, and nothing was changed. Try again under the same key.")
	}
	first, err := valueOf[string](answer)
	if err != nil {
		return "", false, err
	}
	if first != asked {
		return "", false, fault.New(fault.Unprocessable, "idempotency_key_reused",
			"Something else was asked under this Idempotency-Key. Use another key for another request.")
	}
	return id, again, nil
}

// bound says whether something was asked before under a call's Idempotency-Key.
func (a *API) bound(c *call, account optout.Account) (bool, error) {
	key, err := c.idempotency()
	if err != nil || key == "" {
		return false, err
	}
	id := onceID(account, key)
	said, err := a.States.States(c.ctx, optout.OnceShard(a.Shards, account.ID, id), shard.AnswerKey(id))
	return err == nil && said[0] != nil, err
}

func onceID(account optout.Account, key string) string {
	return "key." + account.Key.Message("key:"+key)
}

func notKept(err error) error {
	return fault.Wrap(err, fault.Unavailable, "unavailable", "The change could not be kept. Try again.")
}
