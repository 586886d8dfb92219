package optout

import (
	"errors"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// CommandOnce binds an Idempotency-Key to what is asked under it.
const CommandOnce = "request.once"

// Once is the body of a request.once. Its command's id is made of the account and the key alone, and its answer's value is
// the Asked of the first that came: whoever comes later under the same key with something else learns it from that.
type Once struct {
	Asked string `json:"asked"` // keyed hash of all that the request says
}

// Record gives the command, for the shard that OnceShard names.
func (o Once) Record(n chat.Shards, id, account string, made int64) (*stream.Record, error) {
	c, err := shard.NewCommand(id, CommandOnce, account, made, o)
	if err != nil {
		return nil, err
	}
	return c.Record(OnceShard(n, account, id))
}

// OnceShard gives the shard that remembers a key.
func OnceShard(n chat.Shards, account, id string) int { return n.Account(account + "/once/" + id) }

func onceKeys(_ shard.Place, c shard.Command) ([]string, error) {
	o, err := shard.Body[Once](c)
	if err != nil {
		return nil, err
	}
	if o.Asked == "" {
		return nil, errors.New("nothing is asked")
	}
	return []string{shard.AnswerKey(c.ID)}, nil
}

func applyOnce(t *shard.Turn, c shard.Command) error {
	o, err := shard.Body[Once](c)
	if err != nil {
		return err
	}
	known, err := t.Get(shard.AnswerKey(c.ID), &shard.Answer{})
	if err != nil || known {
		return err
	}
	return t.Answer(c, shard.Answer{OK: true, Value: o.Asked})
}
