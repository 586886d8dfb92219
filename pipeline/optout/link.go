package optout

import (
	"errors"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Tie is the body of a consent.link: all identifiers named are one person's. Each one's state gets a link to every other.
type Tie struct {
	Who []Ref  `json:"who"`
	At  int64  `json:"at"` // ms since 1970
	By  string `json:"by"` // source
}

// Records gives the command for each shard that the tie concerns.
func (l Tie) Records(n chat.Shards, id, account string, made int64) ([]*stream.Record, error) {
	return records(n, CommandLink, id, account, made, l, l.Who)
}

func readTie(c shard.Command) (*Tie, error) {
	tie, err := shard.Body[Tie](c)
	if err != nil {
		return nil, err
	}
	if tie.At <= 0 {
		return nil, errors.New("a tie without a time")
	}
	return tie, checkRefs(tie.Who)
}

func linkKeys(p shard.Place, c shard.Command) ([]string, error) {
	tie, err := readTie(c)
	if err != nil {
		return nil, err
	}
	return personKeys(p, c.Account, tie.Who), nil
}

func applyLink(t *shard.Turn, c shard.Command) error {
	tie, err := readTie(c)
	if err != nil {
		return err
	}
	w := word{
		turn: t, command: c, root: Root{ID: c.ID, Shown: tie.Who},
		linked: tie.Who, linkedAt: tie.At, linkedBy: tie.By,
	}
	for _, ref := range distinct(tie.Who) {
		if err := w.fold(ref); err != nil {
			return err
		}
	}
	return w.post()
}
