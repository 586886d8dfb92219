package optout

import (
	"errors"
	"slices"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// CommandListEmpty takes entries of a deleted list away.
const CommandListEmpty = "list.empty"

// ListEmpty is the body of a list.empty: people of one shard whose entries of a deleted list are dropped. A list's id is never
// given again, so that a repeat takes nothing away that is still needed.
type ListEmpty struct {
	List string           `json:"list"`
	Who  []chat.Pseudonym `json:"who"` // at most emptyAtOnce
}

// emptyAtOnce keeps what one command decides far below the most that a log takes.
const emptyAtOnce = 200

// Records gives commands that take everybody named, who all live in one shard, off the list.
func (e ListEmpty) Records(n chat.Shards, ids func() string, account string, made int64) ([]*stream.Record, error) {
	var records []*stream.Record
	for some := range slices.Chunk(e.Who, emptyAtOnce) {
		c, err := shard.NewCommand(ids(), CommandListEmpty, account, made, ListEmpty{e.List, some})
		if err != nil {
			return nil, err
		}
		r, err := c.Record(n.Of(some[0]))
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

func emptyKeys(p shard.Place, c shard.Command) ([]string, error) {
	body, err := shard.Body[ListEmpty](c)
	if err != nil {
		return nil, err
	}
	if body.List == "" || reserved(body.List) {
		return nil, errors.New("no list that can be deleted")
	}
	keys := make([]string, len(body.Who))
	for i, who := range body.Who {
		if who < 0 || p.Shards.Of(who) != p.Shard {
			return nil, errors.New("somebody who lives in another shard")
		}
		keys[i] = PersonKey(c.Account, who)
	}
	return keys, nil
}

func applyEmpty(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[ListEmpty](c)
	if err != nil {
		return err
	}
	for _, who := range body.Who {
		key := PersonKey(c.Account, who)
		var p Person
		known, err := t.Get(key, &p)
		if err != nil {
			return err
		}
		before := len(p.Entries)
		p.Entries = slices.DeleteFunc(p.Entries, func(e Entry) bool { return e.List == body.List })
		switch {
		case !known || len(p.Entries) == before:
		case len(p.Entries) == 0 && len(p.Links) == 0:
			t.Delete(key)
		default:
			if err := t.Put(key, p); err != nil {
				return err
			}
		}
	}
	return nil
}
