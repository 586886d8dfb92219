package bus

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
)

// SASL is how to authenticate. The zero value does not.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Username  string
	Password  string
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch strings.ToUpper(s.Mechanism) {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Mechanism{Username: s.Username, Password: s.Password}, nil
	case "SCRAM-SHA-256":
		return scram{name: "SCRAM-SHA-256", hash: sha256.New, SASL: s}, nil
	case "SCRAM-SHA-512":
		return scram{name: "SCRAM-SHA-512", hash: sha512.New, SASL: s}, nil
	}
	return nil, fmt.Errorf("kafka: sasl mechanism %q is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", s.Mechanism)
}

// scram is RFC 5802 without channel binding, as Kafka speaks it.
type scram struct {
	SASL
	name string
	hash func() hash.Hash
}

// Name implements sasl.Mechanism.
func (s scram) Name() string { return s.name }

// Start implements sasl.Mechanism.
func (s scram) Start(context.Context) (sasl.StateMachine, []byte, error) {
	user := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.Username)
	c := &scramClient{scram: s, nonce: rand.Text()}
	c.first = "n=" + user + ",r=" + c.nonce
	return c, []byte("n,," + c.first), nil
}

// scramClient is one authentication.
type scramClient struct {
	scram
	nonce     string
	first     string // our first message without its header
	signature []byte // that the server has to show; nil before its challenge
}

// Next implements sasl.StateMachine.
func (c *scramClient) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(string(challenge), ",") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	if c.signature != nil {
		got, err := base64.StdEncoding.DecodeString(fields["v"])
		if err != nil || !hmac.Equal(got, c.signature) {
			return false, nil, errors.New("kafka: the server's proof of the password is wrong")
		}
		return true, nil, nil
	}
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	if err != nil {
		return false, nil, fmt.Errorf("kafka: scram salt: %w", err)
	}
	rounds, err := strconv.Atoi(fields["i"])
	if err != nil || rounds < 4096 || rounds > 1_000_000 || !strings.HasPrefix(fields["r"], c.nonce) {
		return false, nil, errors.New("kafka: the server's scram challenge makes no sense")
	}
	salted, err := pbkdf2.Key(c.hash, c.Password, salt, rounds, c.hash().Size())
	if err != nil {
		return false, nil, fmt.Errorf("kafka: scram: %w", err)
	}
	last := "c=biws,r=" + fields["r"]
	message := c.first + "," + string(challenge) + "," + last
	key := c.sum(salted, "Client Key")
	stored := c.hash()
	stored.Write(key)
	proof := c.sum(stored.Sum(nil), message)
	for i := range proof {
		proof[i] ^= key[i]
	}
	c.signature = c.sum(c.sum(salted, "Server Key"), message)
	return false, []byte(last + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

func (c *scramClient) sum(key []byte, text string) []byte {
	mac := hmac.New(c.hash, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
