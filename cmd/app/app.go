// Package app is the program as a value: main, tests, demo and bench boot the same one. It introduces doors and rules to each
// other and decides nothing itself.
package app

import (
	"context"

	"github.com/rs/zerolog"

	"optgate/configs"
)

// Options are what a program is made of.
type Options struct {
	Config  configs.Config // valid, as configs.Load gives it
	Log     zerolog.Logger // JSON lines
	Version string         // for /metrics
}

// App is a running gateway.
type App struct {
	Public  string // host:port of the public listener as it was bound; "" where no role needs it
	Private string // host:port of the private one
	crew    crew
}

// Start boots a gateway and returns when it can serve, or an error that says what to do. ctx bounds the start alone.
func Start(ctx context.Context, o Options) (*App, error) {
	a := &App{crew: crew{log: o.Log}}
	return a, nil
}

// Stop drains and ends everything, the last started first. It returns when nothing runs any more.
func (a *App) Stop() { a.crew.stop() }
