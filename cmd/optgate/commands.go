package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/alecthomas/kong"
)

// commands is the command line: one field a command. A tag's help is what optgate help prints.
type commands struct {
	Help    helpFlag    `short:"h" help:"Show this help; after a command, the command's."`
	Version versionFlag `help:"Print the version."`

	Serve     serveCommand     `cmd:"" help:"Run the gateway."`
	Run       runCommand       `cmd:"" help:"Try the gateway out: embedded Kafka and Redis, and a simulated Meta beside it."`
	Demo      demoCommand      `cmd:"" help:"Watch it keep its promises through two kills, in under a minute."`
	Simulate  simulateCommand  `cmd:"" help:"Play Meta for a running gateway."`
	Config    configCommand    `cmd:"" help:"Check or show a configuration."`
	Health    healthCommand    `cmd:"" help:"Ask whether the gateway on this machine lives."`
	Why       whyCommand       `cmd:"" help:"Explain what would happen to a message to somebody now, and why."`
	People    peopleCommand    `cmd:"" help:"Show somebody, and put them on lists or take them off."`
	Blacklist blacklistCommand `cmd:"" help:"Show whom the account has blocked, block somebody, or let them through."`
	Contacts  contactsCommand  `cmd:"" help:"Show contacts, make or change one, or forget one."`
	Segments  segmentsCommand  `cmd:"" help:"Show saved segments, and count whom one holds."`
	Lists     listsCommand     `cmd:"" help:"Show opt-out lists and who is on them."`
	Links     linksCommand     `cmd:"" help:"Make unsubscribe links."`
	Feed      feedCommand      `cmd:"" help:"Look at what is posted to a list's webhook URL, and post it anew."`
	Broadcast broadcastCommand `cmd:"" help:"Make broadcasts, follow them and show what became of them."`
	Templates templatesCommand `cmd:"" help:"Show message templates, as Meta has them."`
	Media     mediaCommand     `cmd:"" help:"Keep the files that messages show."`
	Sequences sequencesCommand `cmd:"" help:"Show sequences and who is subscribed, and subscribe people."`
	Tokens    tokensCommand    `cmd:"" help:"Show, make or revoke tokens of the account's API."`
	Audit     auditCommand     `cmd:"" help:"Show what was changed by API, and by whom."`
	Ledger    ledgerCommand    `cmd:"" help:"Prove or export the ledger of all changes."`
	Replay    replayCommand    `cmd:"" help:"Say what words would have matched among the messages still kept."`
	Tail      tailCommand      `cmd:"" help:"Read a topic."`
	Dead      deadCommand      `cmd:"" help:"Look at what could not be handled, and put it back."`
	Usage     helpCommand      `cmd:"" name:"help" help:"Show this help, or a command's."`
}

// obey reads the command line and does what it says.
func obey(ctx context.Context, args []string, t terminal) error {
	parser, err := kong.New(&commands{},
		kong.Name("optgate"),
		kong.Description("An open WhatsApp webhook gateway that honours every opt-out."),
		kong.NoDefaultHelp(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Writers(t.out, t.err),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(t),
	)
	if err != nil {
		return fmt.Errorf("command line: %w", err)
	}
	chosen, err := parser.Parse(args)
	if errors.Is(err, errShown) {
		return nil
	}
	if err != nil {
		return usageError{fmt.Errorf("%w (optgate help shows what there is)", err)}
	}
	return chosen.Run()
}

// errShown ends a run that had nothing to do but to show something.
var errShown = errors.New("shown")

// helpFlag shows the help of the command before it.
type helpFlag bool

// BeforeReset shows help as soon as the words are known, whether or not they are a whole command. Who names a group of
// commands is shown all of them, not the one that the group alone stands for.
func (helpFlag) BeforeReset(chosen *kong.Context) error {
	unnamed := slices.IndexFunc(chosen.Path, func(p *kong.Path) bool {
		return p.Command != nil && p.Command.Parent.DefaultCmd == p.Command && !slices.Contains(chosen.Args, p.Command.Name)
	})
	if unnamed >= 0 {
		chosen.Path = chosen.Path[:unnamed]
	}
	if err := chosen.PrintUsage(false); err != nil {
		return err
	}
	return errShown
}

// IsBool keeps the flag from wanting a value.
func (helpFlag) IsBool() bool { return true }

type versionFlag bool

// BeforeReset prints the version.
func (versionFlag) BeforeReset(t terminal) error {
	t.printf("optgate %s\n", version())
	return errShown
}

// IsBool keeps the flag from wanting a value.
func (versionFlag) IsBool() bool { return true }

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command to explain."`
}

// Run shows help.
func (c *helpCommand) Run(ctx context.Context, t terminal) error {
	return obey(ctx, append(c.Command, "--help"), t)
}

// version names the build: the tag or commit that it was made from, as the go command stamped it.
func version() string {
	build, ok := debug.ReadBuildInfo()
	if !ok || build.Main.Version == "" {
		return "(devel)"
	}
	return build.Main.Version
}
