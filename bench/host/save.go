package host

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Main runs a measurement until it ends or is interrupted, and gives the exit code.
func Main(name string, run func(ctx context.Context, args []string, out io.Writer) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	return 1
}

// Save writes what was measured into a folder, as <name>.json and <name>.md, and shows the latter.
func Save(out io.Writer, folder, name string, results any, markdown string) error {
	text, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return err
	}
	file := filepath.Join(folder, name)
	if err := os.WriteFile(file+".json", append(text, '\n'), 0o644); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	if err := os.WriteFile(file+".md", []byte(markdown), 0o644); err != nil { //nolint:gosec // as above
		return err
	}
	_, err = io.WriteString(out, markdown)
	return err
}
