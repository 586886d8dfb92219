package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/rs/zerolog"

	"optgate/cmd/app"
	"optgate/configs"
)

type serveCommand struct {
	Config  string   `short:"c" env:"OPTGATE_CONFIG" placeholder:"FILE" help:"The configuration; without one, defaults and the environment."`
	DataDir string   `placeholder:"DIR" help:"Instead of data_dir."`
	Public  string   `placeholder:"HOST:PORT" help:"Instead of public.listen."`
	Private string   `placeholder:"HOST:PORT" help:"Instead of private.listen."`
	Roles   []string `placeholder:"ROLE" help:"Instead of roles."`
	Level   string   `name:"log-level" placeholder:"LEVEL" help:"Instead of log.level."`
}

// Run serves until ctx ends, and then drains.
func (c *serveCommand) Run(ctx context.Context, t terminal) error {
	config, err := load(configs.Sources{File: c.Config, Environ: t.environ, Flags: c.flags()})
	if err != nil {
		return err
	}
	return serve(ctx, config, newLog(t.err, config.Log.Level))
}

func (c *serveCommand) flags() map[string]any {
	flags := map[string]any{}
	for path, value := range map[string]string{
		"data_dir": c.DataDir, "public.listen": c.Public, "private.listen": c.Private, "log.level": c.Level,
	} {
		if value != "" {
			flags[path] = value
		}
	}
	if len(c.Roles) > 0 {
		flags["roles"] = c.Roles
	}
	return flags
}

func serve(ctx context.Context, config *configs.Config, log zerolog.Logger) error {
	gateway, err := app.Start(ctx, app.Options{Config: *config, Log: log, Version: version()})
	if ctx.Err() != nil {
		if err == nil {
			gateway.Stop()
		}
		return nil // told to stop before it served
	}
	if err != nil {
		return err
	}
	defer gateway.Stop()
	sayReady(log, gateway)
	<-ctx.Done()
	log.Info().Msg("stopping")
	return nil
}

// sayReady writes the line that programs wait for, whatever level is logged.
func sayReady(log zerolog.Logger, gateway *app.App) {
	log.Log().Str(zerolog.LevelFieldName, zerolog.LevelInfoValue).
		Str("public", gateway.Public).Str("private", gateway.Private).Str("version", version()).Msg(readyMessage)
}

const readyMessage = "ready"

// load reads a configuration. What is wrong with it is wrong usage, as is a file that is not there.
func load(from configs.Sources) (*configs.Config, error) {
	config, err := configs.Load(from)
	var file *fs.PathError
	if problems := (configs.Problems{}); errors.As(err, &problems) || errors.As(err, &file) {
		return nil, usageError{err}
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return config, nil
}

// newLog writes JSON lines. The level is one that configs has checked.
func newLog(to io.Writer, level string) zerolog.Logger {
	parsed, err := zerolog.ParseLevel(level)
	if err != nil {
		parsed = zerolog.InfoLevel
	}
	return zerolog.New(zerolog.SyncWriter(to)).Level(parsed).With().Timestamp().Logger()
}
