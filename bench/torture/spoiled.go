package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// startSpoiled shows that an installation whose topic state was made by a broker with settings of its own doesn't get ready
// and says why.
func (r *round) startSpoiled(ctx context.Context) error {
	const name = "spoiled."
	spoiler, err := openLogs(r.kafkas.brokers(), name)
	if err != nil {
		return err
	}
	defer spoiler.close()
	if err := spoiler.spoil(ctx, "state"); err != nil {
		return err
	}
	dir := filepath.Join(r.dir, "spoiled")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	g, err := newGateway(dir, r.program, "pipeline", "pipeline", r.settings(name))
	if err != nil {
		return err
	}
	defer fleet{g}.stop()
	if err := g.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	for {
		if err := g.ready(ctx); err == nil {
			return errors.New("a gateway got ready on a topic state that a broker had made with settings of its own")
		}
		said, err := os.ReadFile(g.log.Name())
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		for line := range strings.Lines(string(said)) {
			if strings.Contains(line, `"level":"error"`) && (strings.Contains(line, "state") || strings.Contains(line, "shards")) {
				r.sayf("a spoiled topic state: not ready, and it says %.160s", strings.TrimSpace(line))
				return nil
			}
		}
		if !pause(ctx, 200*time.Millisecond) {
			return errors.New("a gateway on a spoiled topic state does not say why it isn't ready")
		}
	}
}
