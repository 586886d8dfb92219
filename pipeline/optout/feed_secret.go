package optout

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
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
	c, err := shard.NewCommand(id, CommandSecret, account, made, s)
	if err != nil {
		return nil, err
	}
	return c.Record(n.Account(account))
}

// turnSecret gives a list's feed its next secret. Repeated, the command turns nothing twice: see listFold.
func (t *listTurn) turnSecret(body *NewSecret) (shard.Answer, error) {
	i := t.account.index(body.List)
	if i < 0 {
		return unknownList(), nil
	}
	l := &t.account.Lists[i]
	l.Secret++
	l.SecretAt = t.command.Made
	return shard.Answer{OK: true, Value: SecretTurned{l.Secret, l.SecretAt}}, t.Put(AccountKey(t.account.ID), t.account)
}
