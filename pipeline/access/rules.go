package access

import (
	"errors"
	"slices"

	"optgate/pipeline/shard"
)

// The kinds of commands. All concern an account and are folded in its shard.
const (
	CommandCreate = "token.create"
	CommandRevoke = "token.revoke"
	CommandNote   = "audit.note"
	CommandForget = "audit.forget"
)

// Codes of what a fold refuses.
const (
	CodeNameTaken = "name_taken"
	CodeTooMany   = "too_many_tokens"
	CodeExpired   = "expired"
	CodeNotFound  = "unknown_token"
)

// Rules gives the folds of tokens and of the audit.
func Rules() shard.Rules {
	return shard.Rules{
		CommandCreate: {Keys: createKeys, Apply: applyCreate},
		CommandRevoke: {Keys: revokeKeys, Apply: applyRevoke},
		CommandNote:   {Keys: noteKeys, Apply: applyNote},
		CommandForget: {Keys: forgetKeys, Apply: applyForget},
	}
}

// known says whether a scope is one that a token can have.
func known(scope string) bool { return slices.Contains(Scopes(), scope) }

// at says that a command is not in the shard of its account.
func at(p shard.Place, c shard.Command) error {
	if p.Shards.Account(c.Account) != p.Shard {
		return errors.New("what concerns an account is decided in its own shard")
	}
	return nil
}
