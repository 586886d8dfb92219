// Command optgate is the gateway and everything around it in one program: serve, run and demo boot it, simulate plays Meta,
// and the other commands ask a running one. It reads flags and prints answers; what the gateway does is cmd/app's.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"optgate/pipeline/fault"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	os.Exit(run(ctx, os.Args[1:], terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}))
}

// The exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

// terminal is what commands see of the process around them.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	environ  []string // as os.Environ gives it
}

// shows says that somebody looks at what is printed, so that it may be a table, and may be overwritten.
func (t terminal) shows() bool {
	file, ok := t.out.(*os.File)
	if !ok {
		return false
	}
	about, err := file.Stat()
	return err == nil && about.Mode()&os.ModeCharDevice != 0
}

// printf writes to the output. Where that is gone, as a pipe whose reader has left, there is nobody to tell.
func (t terminal) printf(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format, args...) }

// run is the whole program: it does what args say until it is done or ctx ends, and gives the exit code.
func run(ctx context.Context, args []string, t terminal) int {
	err := obey(ctx, args, t)
	code := exitCode(err)
	if code != exitFine {
		_, _ = fmt.Fprintln(t.err, "optgate: "+err.Error())
	}
	return code
}

func exitCode(err error) int {
	var wrong usageError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &wrong), fault.KindOf(err) == fault.Invalid:
		return exitUsage
	}
	return exitFailed
}

// usageError is an error of whoever called: flags or configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
