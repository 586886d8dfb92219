package optout

import (
	"encoding/json"
	"errors"
	"fmt"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// FirstNumber is the number of an account's first channel.
const FirstNumber = 101

// Declare is the body of an account.declare: what the configuration says of an account, appended at every start. The
// first key is kept for ever, a channel keeps its first number, and a list that is there stays as it is, unless the program
// that declares is a later one and nobody has changed its system list.
type Declare struct {
	Key      chat.Key          `json:"key"` // random; taken only if the account is new
	Channels []DeclaredChannel `json:"channels,omitempty"`
	Lists    []List            `json:"lists"`            // the system lists as the declaring program knows them
	System   int               `json:"system,omitempty"` // their SystemVersion
}

// DeclaredChannel is a channel of a declared account.
type DeclaredChannel struct {
	ID     string `json:"id"`
	Number int    `json:"number,omitempty"` // wanted; 0, or one that another channel has: the next free one
}

// NewAccount makes the command that declares an account with the system lists, for its shard. The answer's value is the
// account's Numbers.
func NewAccount(n chat.Shards, id, account string, made int64, key chat.Key, channels []DeclaredChannel) (*stream.Record, error) {
	declared := Declare{Key: key, Channels: channels, Lists: SystemLists(), System: SystemVersion}
	c, err := shard.NewCommand(id, CommandDeclare, account, made, declared)
	if err != nil {
		return nil, err
	}
	return c.Record(n.Account(account))
}

func declareKeys(p shard.Place, c shard.Command) ([]string, error) {
	if c.Account == "" || p.Shards.Account(c.Account) != p.Shard {
		return nil, errors.New("an account is declared in its own shard")
	}
	return []string{AccountKey(c.Account), shard.AnswerKey(c.ID)}, nil
}

func applyDeclare(t *shard.Turn, c shard.Command) error {
	var declared Declare
	if err := json.Unmarshal(c.Body, &declared); err != nil {
		return fmt.Errorf("read %s: %w", c.Kind, err)
	}
	var a Account
	known, err := t.Get(AccountKey(c.Account), &a)
	if err != nil {
		return err
	}
	changed := !known
	if !known {
		if len(declared.Key) < 16 {
			return errors.New("an account's key has at least 16 bytes")
		}
		a = Account{V: stream.Version, ID: c.Account, Key: declared.Key, Numbers: map[string]int{}}
	}
	changed = a.number(declared.Channels) || changed
	changed = a.add(declared.Lists) || changed
	changed = a.renew(declared.Lists, declared.System) || changed
	if changed {
		if err := t.Put(AccountKey(c.Account), a); err != nil {
			return err
		}
	}
	return t.Answer(c, shard.Answer{OK: true, Value: a.Numbers})
}

// number gives new channels their numbers: the one wanted if it was never given, else the one after the highest.
func (a *Account) number(channels []DeclaredChannel) (changed bool) {
	taken, highest := map[int]bool{}, FirstNumber-1
	for _, number := range a.Numbers {
		taken[number], highest = true, max(highest, number)
	}
	give := func(channel string, number int) {
		a.Numbers[channel], taken[number], changed = number, true, true
		highest = max(highest, number)
	}
	for _, c := range channels {
		if _, has := a.Numbers[c.ID]; !has && c.Number > 0 && !taken[c.Number] {
			give(c.ID, c.Number)
		}
	}
	for _, c := range channels {
		if _, has := a.Numbers[c.ID]; !has {
			give(c.ID, highest+1)
		}
	}
	return changed
}
