package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Token is the API token of gateways that are only measured: they live for minutes, on the loopback interface.
const Token = "no-token-but-as-long-as-one" //nolint:gosec // as said

// Build builds the program into a folder and gives its path.
func Build(ctx context.Context, dir string) (binary string, err error) {
	binary = filepath.Join(dir, "optgate")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", binary, "./cmd/optgate") //nolint:gosec // ours
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, text)
	}
	return binary, nil
}

// Start builds the program and serves by a configuration, which is written into the folder.
func Start(ctx context.Context, dir, configuration string) (*Gateway, error) {
	binary, err := Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "optgate.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	return Serve(ctx, exec.CommandContext(ctx, binary, "serve", "--config", file)) //nolint:gosec // ours
}

// Ask makes one request of the API under Token, and reads its JSON, if somebody wants it.
func (g *Gateway) Ask(ctx context.Context, method, path, kind string, body io.Reader, into any) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, g.Private+path, body)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+Token)
	r.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	return answer.StatusCode, err
}

// longest bounds every wait.
const longest = 20 * time.Minute

// Wait pauses, unless it has taken too long already.
func Wait(ctx context.Context, pause time.Duration, since time.Time) error {
	if time.Since(since) > longest {
		return errors.New("it takes too long")
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}
