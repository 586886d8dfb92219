package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"optgate/gateway/meta/fake"
)

type demoCommand struct {
	Keep bool `help:"Leave the folder with its topics and its log, and say where it is."`
}

// demoTime bounds the whole demo.
const demoTime = 55 * time.Second

// errBroken is a demo that saw a promise broken; it has printed which.
var errBroken = errors.New("the demo saw a promise broken")

// Run plays the story once, and judges it by what was seen from outside.
func (c *demoCommand) Run(ctx context.Context, t terminal) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoTime, fmt.Errorf("the demo was not over after %s", demoTime))
	defer cancel()
	dir, err := os.MkdirTemp("", "optgate-demo-")
	if err != nil {
		return err
	}
	if c.Keep {
		defer t.printf("Everything lies in %s\n", dir)
	} else {
		defer os.RemoveAll(dir) //nolint:errcheck // a folder for temporary things
	}
	s, err := setStage(t, dir)
	if err != nil {
		return err
	}
	defer s.clear()
	if err := s.play(ctx); err != nil {
		t.printf("\nFAILED\n")
		return fmt.Errorf("the demo broke off: %w", err)
	}
	if !printVerdict(t, append(s.seen.judge(), s.tidy()...)) {
		return errBroken
	}
	return nil
}

// stage is all that the demo needs: a crowd, a simulated Meta in this process, and a gateway in another.
type stage struct {
	terminal
	began    time.Time
	business business
	crowd    *crowd
	meta     *fake.Meta
	gateway  *child
	courier  *courier

	broadcast string // its id
	seen      evidence
}

// setStage makes everything but starts no gateway yet.
func setStage(t terminal, dir string) (*stage, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "optgate.log"))
	if err != nil {
		return nil, err
	}
	s := &stage{terminal: t, began: time.Now(), business: newBusiness(), crowd: newCrowd()}
	s.gateway = &child{program: program, config: filepath.Join(dir, "optgate.yaml"), log: log}
	s.courier = newCourier(s.business.appSecret, func() string {
		public, _ := s.gateway.addresses()
		return "http://" + public + "/webhooks/meta"
	})
	s.seen = evidence{people: s.crowd.people, barred: s.crowd.barred, typed: s.crowd.typed, late: s.crowd.late}
	// It answers as slowly as Meta does, so that a kill meets calls under way. The receipts are the courier's: the
	// gateway gets another address with each life.
	s.meta, err = fake.New(fake.Options{
		Token: accessToken, Templates: []fake.Template{fake.Offer("offer", "Hi {{1}}, see what is new.")}, Answer: func(fake.Send) fake.Outcome { return fake.Outcome{Hang: 80 * time.Millisecond} },
	})
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(s.business.settings(filepath.Join(dir, "data"), "127.0.0.1:0", "127.0.0.1:0", s.meta.URL()))
	if err != nil {
		return nil, err
	}
	return s, os.WriteFile(s.gateway.config, settings, 0o600)
}

// clear ends whatever still runs.
func (s *stage) clear() {
	s.gateway.end()
	_ = s.meta.Close()        // nobody calls it any more
	_ = s.gateway.log.Close() // it was read
}

// sayf prints a line with the time since the start.
func (s *stage) sayf(format string, args ...any) {
	s.printf("%5.1f s  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// api gives a client of the gateway's present life.
func (s *stage) api(token string) client {
	_, private := s.gateway.addresses()
	return gatewayFlags{API: "http://" + private, Token: token}.client()
}

// calls gives what Meta was asked for so far, in order.
func (s *stage) calls() []call {
	var calls []call
	for _, one := range s.meta.Sends() {
		calls = append(calls, call{at: one.At, person: s.crowd.phone(one.Person), confirmation: one.Type == "text"})
	}
	return calls
}

// wait waits until something is so, as long as patience lasts. What never comes breaks nothing off: the verdict will tell.
func (s *stage) wait(ctx context.Context, patience time.Duration, what string, ask func(ctx context.Context) (bool, error)) error {
	short, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	err := eventually(short, what, func() (bool, error) { return ask(short) })
	if ctx.Err() != nil {
		return err
	}
	if err != nil {
		s.complain(err)
	}
	return nil
}

// complain prints what should not be. The story goes on, so that the verdict can tell all of it.
func (s *stage) complain(err error) {
	s.seen.complaints++
	s.sayf("NOT as it should be: %v", err)
}

// eventually asks again and again until it is so or ctx ends. An error is an answer, too: it may be of a gateway that has
// only just started.
func eventually(ctx context.Context, what string, ask func() (bool, error)) error {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	var last error
	for {
		so, err := ask()
		if so {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("until %s: %w", what, context.Cause(ctx)), last)
		case <-ticker.C:
		}
	}
}
