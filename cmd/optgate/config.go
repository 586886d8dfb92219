package main

import "optgate/configs"

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Say everything that is wrong with a configuration."`
	Show  configShowCommand  `cmd:"" help:"Print a configuration with all defaults and what the environment sets; secrets are hidden."`
}

type configCheckCommand struct {
	File string `arg:"" help:"The configuration."`
}

// Run prints one line for each problem.
func (c *configCheckCommand) Run(t terminal) error {
	if _, err := load(configs.Sources{File: c.File, Environ: t.environ}); err != nil {
		return err
	}
	t.printf("%s is fine.\n", c.File)
	return nil
}

type configShowCommand struct {
	File string `arg:"" optional:"" env:"OPTGATE_CONFIG" help:"The configuration; without one, defaults and the environment."`
}

// Run prints YAML.
func (c *configShowCommand) Run(t terminal) error {
	config, err := load(configs.Sources{File: c.File, Environ: t.environ})
	if err != nil {
		return err
	}
	shown, err := config.Show()
	if err != nil {
		return err
	}
	t.printf("%s", shown)
	return nil
}
