package optout

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// FormerSecretTime is how long the former secret of a feed goes on signing beside the new one.
const FormerSecretTime = 24 * time.Hour

// FeedSecret gives the secret that posts of a list are signed with, in the notation of Standard Webhooks: "whsec_" and 24
// bytes in base64. It is derived from the account's key, so that it is kept nowhere; turn is how often it was changed.
func FeedSecret(key chat.Key, list string, turn int) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("feed secret\x00" + list + "\x00" + strconv.Itoa(turn)))
	return "whsec_" + base64.StdEncoding.EncodeToString(mac.Sum(nil)[:24])
}

// FeedSecrets gives the secrets that sign a list's posts at a moment, the present one first.
func (l List) FeedSecrets(key chat.Key, now time.Time) []string {
	secrets := []string{FeedSecret(key, l.ID, l.Secret)}
	if l.Secret > 0 && now.Sub(time.UnixMilli(l.SecretAt)) < FormerSecretTime {
		secrets = append(secrets, FeedSecret(key, l.ID, l.Secret-1))
	}
	return secrets
}

// CommandSecret gives a list's feed another secret.
const CommandSecret = "list.secret"

// NewSecret is the body of a list.secret.
type NewSecret struct {
	List string `json:"list"`
}

// SecretTurned is the value of its answer.
type SecretTurned struct {
	Turn int   `json:"turn"` // List.Secret
	At   int64 `json:"at"`   // List.SecretAt
}

// Record gives the command for the account's shard.
func (s NewSecret) Record(n chat.Shards, id, account string, made int64) (*stream.Record, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("command %s: %w", CommandSecret, err)
	}
	return shard.Command{ID: id, Kind: CommandSecret, Account: account, Made: made, Body: body}.Record(n.Account(account))
}

func secretKeys(p shard.Place, c shard.Command) ([]string, error) {
	if c.Account == "" || p.Shards.Account(c.Account) != p.Shard {
		return nil, errors.New("a list is changed in its account's shard")
	}
	return []string{AccountKey(c.Account), shard.AnswerKey(c.ID)}, nil
}

func applySecret(t *shard.Turn, c shard.Command) error {
	body, err := shard.Body[NewSecret](c)
	if err != nil {
		return err
	}
	var said shard.Answer
	if again, err := t.Get(shard.AnswerKey(c.ID), &said); err != nil || again {
		return err // a repeated command must not turn the secret twice
	}
	var a Account
	if _, err := t.Get(AccountKey(c.Account), &a); err != nil {
		return err
	}
	for i := range a.Lists {
		if a.Lists[i].ID != body.List {
			continue
		}
		a.Lists[i].Secret++
		a.Lists[i].SecretAt = c.Made
		if err := t.Put(AccountKey(c.Account), a); err != nil {
			return err
		}
		return t.Answer(c, shard.Answer{OK: true, Value: SecretTurned{a.Lists[i].Secret, c.Made}})
	}
	return t.Answer(c, shard.Answer{Code: CodeUnknownList, Msg: "There is no opt-out list with this id."})
}
