package api

import (
	"context"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

// piece is one consent.edit: all its people live in one shard. A piece whose id was decided before is not decided again.
type piece struct {
	id   string
	edit optout.Edit
}

// edits makes commands and waits for what their shards say, in the order of the pieces; decided is false where some shard
// takes longer than 2 s, and then all of them are kept all the same.
func (a *API) edits(c *call, account string, pieces []piece) (answers []optout.EditAnswer, decided bool, err error) {
	records := make([]*stream.Record, 0, len(pieces))
	for _, p := range pieces {
		p.edit.Answer = true
		r, err := p.edit.Record(a.Shards, p.id, account, a.Now().UnixMilli())
		if err != nil {
			return nil, false, err
		}
		records = append(records, r)
	}
	if err := a.Publisher.Publish(c.ctx, records...); err != nil {
		return nil, false, notKept(err)
	}
	ctx, cancel := context.WithTimeout(c.ctx, decisionTime) // for all together
	defer cancel()
	for _, r := range records {
		answer, err := a.decided(ctx, r.Partition, r.Offset, string(r.Key)) // a command's key is its id
		if err != nil || answer == nil {
			return nil, false, err
		}
		said, err := valueOf[optout.EditAnswer](answer)
		if err != nil {
			return nil, false, err
		}
		answers = append(answers, said)
	}
	return answers, true, nil
}

// mark is a change of one entry by whoever calls the API: later than everything that the caller could have seen.
func (a *API) mark(l optout.List, channel string, seen optout.Entry, out bool) optout.Mark {
	return optout.Mark{
		List: l.ID, Channel: channel, At: max(a.Now().UnixMilli(), seen.Out+1, seen.In+1),
		Source: optout.SourceAPI, Feed: l.Feeds(out),
	}
}

// ref names an identifier.
func ref(account optout.Account, id chat.Identifier) optout.Ref {
	return optout.Ref{ID: id, P: account.Key.Pseudonym(id)}
}
