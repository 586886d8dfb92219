package optout

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"optgate/pipeline/chat"
)

// Unsubscribe is what one unsubscribe link is for: a person, by the identifier that was written to, a list and a channel.
type Unsubscribe struct {
	Who     chat.Identifier
	List    string
	Channel string // or "*"
}

// linkVersion is the first byte of every token. Links live as long as their lists, so that a later form is another version
// and this one is read for ever.
const linkVersion = 1

// Bounds of a token in bytes. No identifier, list or channel comes near them.
const (
	longestLink  = 1024 // of the whole token
	longestNamed = 255  // of an account's, a list's or a channel's id
	nonceSize    = 12
)

// LinkSealer makes and opens the tokens of one account's unsubscribe links. A token is
//
//	base64url( version, length of the account's id, the account's id, nonce, sealed )
//
// where sealed is AES-256-GCM over channel, list and identifier, authenticating all that stands before it. Keys are derived
// from the account's, and the nonce from what is sealed, so that the same person, list and channel always have the same
// link; whoever sees it learns the account alone. It may be used by many goroutines at once.
type LinkSealer struct {
	head  []byte // version and account
	aead  cipher.AEAD
	nonce []byte // key of nonces
}

// NewLinkSealer makes an account's sealer. An account without a key, as an erased one, has none: its links are dead.
func NewLinkSealer(account string, key chat.Key) (*LinkSealer, error) {
	if account == "" || len(account) > longestNamed || len(key) == 0 {
		return nil, errors.New("links of an account without a name or key")
	}
	keys, err := hkdf.Key(sha256.New, key, nil, "optgate unsubscribe links 1", 64)
	if err != nil {
		return nil, fmt.Errorf("keys of links: %w", err)
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		return nil, fmt.Errorf("keys of links: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("keys of links: %w", err)
	}
	head := append([]byte{linkVersion, byte(len(account))}, account...)
	return &LinkSealer{head: head, aead: aead, nonce: keys[32:]}, nil
}

// Seal gives the token of a link: letters, digits, "-" and "_" alone.
func (s *LinkSealer) Seal(u Unsubscribe) (string, error) {
	if u.Who == "" || u.List == "" || u.Channel == "" || len(u.List) > longestNamed || len(u.Channel) > longestNamed {
		return "", errors.New("a link needs a person, a list and a channel")
	}
	plain := make([]byte, 0, 2+len(u.Channel)+len(u.List)+len(u.Who))
	for _, named := range [...]string{u.Channel, u.List} {
		plain = append(append(plain, byte(len(named))), named...)
	}
	plain = append(plain, u.Who...)
	mac := hmac.New(sha256.New, s.nonce)
	mac.Write(plain)
	nonce := mac.Sum(nil)[:nonceSize]
	token := make([]byte, 0, len(s.head)+nonceSize+len(plain)+s.aead.Overhead())
	token = append(append(token, s.head...), nonce...)
	token = s.aead.Seal(token, nonce, plain, s.head)
	if base64.RawURLEncoding.EncodedLen(len(token)) > longestLink {
		return "", errors.New("a link to somebody whose name is too long")
	}
	return base64.RawURLEncoding.EncodeToString(token), nil
}

// Open reads a token that Seal made; ok is false for everything else, another account's tokens too.
func (s *LinkSealer) Open(token string) (u Unsubscribe, ok bool) {
	account, sealed, ok := readLink(token)
	if !ok || account != s.account() {
		return u, false
	}
	plain, err := s.aead.Open(nil, sealed[:nonceSize], sealed[nonceSize:], s.head)
	if err != nil {
		return u, false
	}
	var named [2]string // what is authenticated is of Seal's form, but nothing rests on that
	for i := range named {
		if len(plain) == 0 || len(plain) <= int(plain[0]) {
			return u, false
		}
		named[i], plain = string(plain[1:1+plain[0]]), plain[1+plain[0]:]
	}
	return Unsubscribe{Who: chat.Identifier(plain), Channel: named[0], List: named[1]}, len(plain) > 0
}

func (s *LinkSealer) account() string { return string(s.head[2:]) }

// LinkAccount gives the account that a token names, without a proof that it made it; ok is false for what can't be a token.
func LinkAccount(token string) (account string, ok bool) {
	account, _, ok = readLink(token)
	return account, ok
}

// readLink cuts a token into account and sealed part, nonce included. Each token has one spelling.
func readLink(token string) (account string, sealed []byte, ok bool) {
	if len(token) > longestLink || strings.ContainsAny(token, "\r\n") { // which base64 would overlook
		return "", nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < 2 || raw[0] != linkVersion || raw[1] == 0 {
		return "", nil, false
	}
	head := 2 + int(raw[1])
	if len(raw) < head+nonceSize {
		return "", nil, false
	}
	return string(raw[2:head]), raw[head:], true
}
