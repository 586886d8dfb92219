package optout

import (
	"errors"

	"optgate/pipeline/gate"
	"optgate/pipeline/shard"
)

// CommandBlocks notes of an account that it has a blacklist. It comes before the first entry is made, so that whoever reads the
// account knows whether people have to be looked for there at all.
const CommandBlocks = "account.blocks"

// Blocks is the body of an account.blocks.
type Blocks struct{}

// NewBlocks makes the command, for the account's shard.
func NewBlocks(id, account string, made int64) (shard.Command, error) {
	return shard.NewCommand(id, CommandBlocks, account, made, Blocks{})
}

func blocksKeys(p shard.Place, c shard.Command) ([]string, error) {
	if c.Account == "" || p.Shards.Account(c.Account) != p.Shard {
		return nil, errors.New("what concerns an account is decided in its own shard")
	}
	return []string{AccountKey(c.Account), shard.AnswerKey(c.ID)}, nil
}

func applyBlocks(t *shard.Turn, c shard.Command) error {
	var a Account
	known, err := t.Get(AccountKey(c.Account), &a)
	switch {
	case err != nil:
		return err
	case !known:
		return errors.New("there is no such account")
	case !a.Blocks:
		a.Blocks = true
		if err := t.Put(AccountKey(c.Account), a); err != nil {
			return err
		}
	}
	return t.Answer(c, shard.Answer{OK: true})
}

// BlacklistName is what the blacklist is called where lists are named.
const BlacklistName = "Blacklist"

// Blocked gives the entries of the blacklist that are in force for an identifier.
func (p Person) Blocked() (entries []Entry) {
	for _, e := range p.Entries {
		if e.List == gate.Blacklist && e.Barred() {
			entries = append(entries, e)
		}
	}
	return entries
}
