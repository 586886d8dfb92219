// Package meta speaks Meta's JSON in both directions: it verifies, splits and decodes webhooks of WhatsApp, Messenger and
// Instagram, and hands messages to the Graph API. It decides nothing and keeps nothing.
package meta

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// prefix begins the header X-Hub-Signature-256.
const prefix = "sha256="

// WellFormed says whether a header can be a signature at all: "sha256=" and 64 hexadecimal digits. It is asked before the
// body is read.
func WellFormed(header []byte) bool {
	_, ok := parseSignature(header)
	return ok
}

// Verify says whether one of the secrets signed this body, given the header X-Hub-Signature-256. The body is the bytes as
// they came. Every secret is tried whatever the one before said, and an empty secret signs nothing.
func Verify(secrets [][]byte, header, body []byte) bool {
	given, ok := parseSignature(header)
	if !ok {
		return false
	}
	verified := false
	for _, secret := range secrets {
		if len(secret) > 0 && hmac.Equal(sum(secret, body), given[:]) {
			verified = true
		}
	}
	return verified
}

// Sign gives the header that Meta would send with this body.
func Sign(secret, body []byte) string {
	return prefix + hex.EncodeToString(sum(secret, body))
}

// SameToken compares the token of a handshake with the configured one, in a time that tells nothing of either, their
// lengths included. An empty configured token is no token: nothing equals it.
func SameToken(given, configured string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(configured))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && configured != ""
}

func parseSignature(header []byte) (mac [sha256.Size]byte, ok bool) {
	if len(header) != len(prefix)+hex.EncodedLen(sha256.Size) || string(header[:len(prefix)]) != prefix {
		return mac, false
	}
	_, err := hex.Decode(mac[:], header[len(prefix):])
	return mac, err == nil
}

func sum(secret, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return mac.Sum(nil)
}
