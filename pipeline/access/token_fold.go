package access

import (
	"errors"
	"fmt"
	"slices"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Bounds of an account's tokens.
const (
	MostLive = 100 // that let somebody in at one time
	MostGone = 100 // expired or revoked ones that are still shown, the youngest; the audit knows the others
)

// Create is the body of a token.create.
type Create struct {
	Token    Token    `json:"token"`
	Declared []string `json:"declared,omitempty"` // names of the account's tokens in the configuration, which are taken
}

// Revoke is the body of a token.revoke. Who was revoked before stays so since then.
type Revoke struct {
	ID string `json:"id"`
}

// NewCreate makes the command that makes a token. Its answer's value is the Token as it is kept: one that another command
// of the same token made first has another Sum.
func NewCreate(id, account string, made int64, create Create) (shard.Command, error) {
	if err := create.check(account); err != nil {
		return shard.Command{}, err
	}
	return shard.NewCommand(id, CommandCreate, account, made, create)
}

// NewRevoke makes the command that revokes a token. Its answer's value is the Token.
func NewRevoke(id, account string, made int64, token string) (shard.Command, error) {
	return shard.NewCommand(id, CommandRevoke, account, made, Revoke{ID: token})
}

func (c *Create) check(account string) error {
	t := c.Token
	switch {
	case account == "":
		return errors.New("a token of no account")
	case t.ID == "" || t.Name == "" || len(t.Sum) != len(Sum("")):
		return errors.New("a token without id, name or hash")
	case len(t.Scopes) == 0 || slices.ContainsFunc(t.Scopes, func(s string) bool { return !known(s) }):
		return errors.New("a token without scopes that are known")
	}
	return nil
}

func readCreate(c shard.Command) (*Create, error) {
	create, err := shard.Body[Create](c)
	if err != nil {
		return nil, err
	}
	return create, create.check(c.Account)
}

func createKeys(p shard.Place, c shard.Command) ([]string, error) {
	if _, err := readCreate(c); err != nil {
		return nil, err
	}
	return []string{TokensKey(c.Account), shard.AnswerKey(c.ID)}, at(p, c)
}

func applyCreate(t *shard.Turn, c shard.Command) error {
	create, err := readCreate(c)
	if err != nil {
		return err
	}
	var all Tokens
	if _, err := t.Get(TokensKey(c.Account), &all); err != nil {
		return err
	}
	made := create.Token
	if there := all.Find(made.ID); there >= 0 { // asked again under the same key
		return t.Answer(c, shard.Answer{OK: true, Value: all.Tokens[there]})
	}
	if no := all.refuse(made, create.Declared, c.Made); no != nil {
		return t.Answer(c, *no)
	}
	made.Created, made.Revoked = c.Made, 0
	all.V, all.Tokens = stream.Version, append(all.Tokens, made)
	all.tidy(c.Made)
	if err := t.Put(TokensKey(c.Account), all); err != nil {
		return err
	}
	return t.Answer(c, shard.Answer{OK: true, Value: made})
}

// refuse gives why a token can't be made; nil: it can.
func (t Tokens) refuse(made Token, declared []string, now int64) *shard.Answer {
	no := func(code, msg string) *shard.Answer { return &shard.Answer{Code: code, Msg: msg} }
	if made.Expires != 0 && made.Expires <= now {
		return no(CodeExpired, "The time at which the token expires is over.")
	}
	taken, live := slices.Contains(declared, made.Name), 0
	for _, one := range t.Tokens {
		if one.Live(now) {
			taken, live = taken || one.Name == made.Name, live+1
		}
	}
	switch {
	case taken:
		return no(CodeNameTaken, "Another token of this account has this name. Take another one, or revoke that token first.")
	case live >= MostLive:
		return no(CodeTooMany, fmt.Sprintf("An account has at most %d tokens. Revoke one that is not needed.", MostLive))
	}
	return nil
}

// tidy drops the oldest of the tokens that let nobody in any more, so that the state stays small.
func (t *Tokens) tidy(now int64) {
	gone := -MostGone
	for _, one := range t.Tokens {
		if !one.Live(now) {
			gone++
		}
	}
	t.Tokens = slices.DeleteFunc(t.Tokens, func(one Token) bool {
		if gone <= 0 || one.Live(now) {
			return false
		}
		gone--
		return true
	})
}

func readRevoke(c shard.Command) (*Revoke, error) {
	revoke, err := shard.Body[Revoke](c)
	if err == nil && (revoke.ID == "" || c.Account == "") {
		err = errors.New("a revocation of no token")
	}
	return revoke, err
}

func revokeKeys(p shard.Place, c shard.Command) ([]string, error) {
	if _, err := readRevoke(c); err != nil {
		return nil, err
	}
	return []string{TokensKey(c.Account), shard.AnswerKey(c.ID)}, at(p, c)
}

func applyRevoke(t *shard.Turn, c shard.Command) error {
	revoke, err := readRevoke(c)
	if err != nil {
		return err
	}
	var all Tokens
	if _, err := t.Get(TokensKey(c.Account), &all); err != nil {
		return err
	}
	there := all.Find(revoke.ID)
	if there < 0 {
		return t.Answer(c, shard.Answer{Code: CodeNotFound, Msg: "There is no token with this id."})
	}
	one := &all.Tokens[there]
	if one.Revoked == 0 {
		one.Revoked = max(c.Made, 1)
		if err := t.Put(TokensKey(c.Account), all); err != nil {
			return err
		}
	}
	return t.Answer(c, shard.Answer{OK: true, Value: *one})
}
