package bus

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"

	"optgate/pipeline/stream"
)

func TestAuthenticationIsSpoken(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, "a,user=", "pässword"))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			open := func(password string) *Bus {
				b, err := Open(Config{Brokers: cluster.ListenAddrs(), Prefix: "t.", Shards: 1, SingleCopy: true,
					SASL: SASL{Mechanism: strings.ToLower(mechanism), Username: "a,user=", Password: password}}, zerolog.Nop())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = b.Close() })
				return b
			}
			b := open("pässword")
			if _, err := b.Bootstrap(ctx, "i", ""); err != nil {
				t.Fatal(err)
			}
			if err := b.Publish(ctx, &stream.Record{Topic: stream.Events}); err != nil {
				t.Error(err)
			}
			joined := make(chan struct{}, 8)
			member, leave := context.WithCancel(ctx)
			left := make(chan struct{})
			go func() {
				defer close(left)
				_ = b.Assign(member, "owners", []stream.Topic{stream.Commands}, func(Assignment) { joined <- struct{}{} })
			}()
			select {
			case <-joined:
			case <-ctx.Done():
				t.Error("the group was not joined")
			}
			leave()
			<-left
			short, stop := context.WithTimeout(ctx, 500*time.Millisecond)
			defer stop()
			if err := open("wrong").Publish(short, &stream.Record{Topic: stream.Events}); err == nil {
				t.Error("a wrong password was accepted")
			}
		})
	}
	if _, err := Open(Config{Brokers: []string{"x:1"}, Shards: 1, SASL: SASL{Mechanism: "GSSAPI"}}, zerolog.Nop()); err == nil {
		t.Error("an unknown mechanism was accepted")
	}
}

// The exchange of RFC 7677, section 3.
func TestScramSaysWhatItsStandardSays(t *testing.T) {
	c := &scramClient{scram: scram{SASL: SASL{Username: "user", Password: "pencil"}, name: "SCRAM-SHA-256", hash: sha256.New},
		nonce: "rOprNGfwEbeRWgbNEkqO", first: "n=user,r=rOprNGfwEbeRWgbNEkqO"}
	done, answer, err := c.Next(t.Context(), []byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	if err != nil || done || string(answer) != "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" {
		t.Errorf("answer %s (%v)", answer, err)
	}
	if done, _, err = c.Next(t.Context(), []byte("v=AAAA")); err == nil || done {
		t.Error("a server without the password was believed")
	}
	if done, _, err = c.Next(t.Context(), []byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")); err != nil || !done {
		t.Errorf("the server's proof: %v", err)
	}
}

func FuzzScramChallenge(f *testing.F) {
	f.Add([]byte("r=nonce1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	f.Add([]byte("r=nonce,i=1,s="))
	f.Add([]byte(",,=,"))
	f.Fuzz(func(t *testing.T, challenge []byte) {
		if strings.Contains(string(challenge), "i=1") {
			return // a million rounds are allowed, and slow
		}
		c := &scramClient{scram: scram{name: "SCRAM-SHA-256", hash: sha256.New}, nonce: "nonce", first: "n=,r=nonce"}
		if done, _, err := c.Next(t.Context(), challenge); done || err == nil && !strings.Contains(string(challenge), "nonce") {
			t.Errorf("done %t (%v)", done, err)
		}
	})
}
