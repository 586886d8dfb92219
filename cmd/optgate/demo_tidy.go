package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// drainTime is how long the gateway has to stop.
const drainTime = 10 * time.Second

// close lets the gateway drain.
func (s *stage) close(context.Context) error {
	if err := s.gateway.stop(drainTime); err != nil {
		return err
	}
	s.sayf("Asked to stop, the gateway drained and ended well.")
	return nil
}

// tidy judges what the gateway left behind: its log, over all its lives.
func (s *stage) tidy() []promise {
	p := promise{text: "Nothing personal and no secret is in the log"}
	log, err := os.ReadFile(s.gateway.log.Name())
	if err != nil {
		p.found = err.Error()
		return []promise{p}
	}
	found := len(s.personal().FindAllIndex(log, -1))
	p.found, p.held = fmt.Sprintf("%d finds in %d KiB", found, len(log)>>10), len(log) > 0 && found == 0
	return []promise{p}
}

// personal matches phones, BSUIDs, message ids, texts and secrets of the demo.
func (s *stage) personal() *regexp.Regexp {
	return regexp.MustCompile(strings.Join([]string{
		`4477009\d{5}`, `GB\.90210`, `wamid\.`, `Ada \d{3}`, `stop by tomorrow`, `désabonner`,
		s.business.token, s.business.operator, s.business.appSecret, s.business.verifyToken, accessToken,
	}, "|"))
}
