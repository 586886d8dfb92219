package store

import (
	"encoding/json"

	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
)

// deriveAccount gives an account's keywords: the set that messages are matched against, and what each word means.
func deriveAccount(c shard.Change) []op {
	before, now := keywords(c.Old), keywords(c.New)
	var ops []op
	for account, words := range before {
		for word := range words {
			if _, still := now[account][word]; !still {
				ops = append(ops, op{sRem, wordsName(account), word, ""}, op{hDel, meaningsName(account), word, ""})
			}
		}
	}
	for account, words := range now {
		for word, matches := range words {
			meaning, err := json.Marshal(matches)
			if err != nil {
				continue // a list's id is text
			}
			ops = append(ops, op{sAdd, wordsName(account), word, ""}, op{hSet, meaningsName(account), word, string(meaning)})
		}
	}
	return ops
}

// keywords gives the keywords of an account's state, by the account's id.
func keywords(state []byte) map[string]map[string][]optout.Match {
	var a optout.Account
	if state == nil || json.Unmarshal(state, &a) != nil {
		return nil
	}
	return map[string]map[string][]optout.Match{a.ID: a.Keywords()}
}
