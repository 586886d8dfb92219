package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

type deadReplayCommand struct {
	Place  string `arg:"" optional:"" placeholder:"PARTITION/OFFSET" help:"One letter, as dead list shows it."`
	Reason string `placeholder:"REASON" help:"All letters with this reason, as unknown_channel."`
	Source string `placeholder:"SOURCE" help:"All letters from here: inbound, commands, feed, or a partition of them as inbound/3."`
	Since  string `placeholder:"TIME" help:"Only letters that died then or later: a day, a time, or how long ago as 7d."`
	Until  string `placeholder:"TIME" help:"Only letters that died before; now by default."`
	All    bool   `help:"All letters."`
	gatewayFlags
	outputFlags
}

var placeForm = regexp.MustCompile(`^\d{1,9}/\d{1,18}$`)

// replayedLetters is an answer of the API.
type replayedLetters struct {
	Replayed int            `json:"replayed"`
	Skipped  map[string]int `json:"skipped"`
	Next     *string        `json:"next,omitempty"`
}

// Run puts letters back where they came from, and says how many could not go.
func (c *deadReplayCommand) Run(ctx context.Context, t terminal) error {
	chosen := c.All || c.Reason != "" || c.Source != "" || c.Since != "" || c.Until != ""
	switch {
	case chosen == (c.Place != ""):
		return usageError{errors.New("say what to put back: PARTITION/OFFSET, or --reason, --source, --since, --until, or --all")}
	case c.Place == "":
		return c.many(ctx, t)
	case !placeForm.MatchString(c.Place):
		return usageError{fmt.Errorf("%q is no place as 3/41, which dead list shows", c.Place)}
	}
	var answer replayedLetters
	if err := c.client().ask(ctx, http.MethodPost, "/v1/dead/"+c.Place+"/replay", nil, nil, &answer); err != nil {
		return err
	}
	return c.print(t, answer)
}

// many asks on until there are no more, and says what was done even where that ends with an error. Letters that die meanwhile are left for the next time, else one that can't be handled
// would come round for ever.
func (c *deadReplayCommand) many(ctx context.Context, t terminal) (err error) {
	asked := map[string]any{"reason": c.Reason, "source": c.Source, "since": c.Since, "until": c.Until}
	if c.Until == "" {
		asked["until"] = time.Now().UTC().Format(time.RFC3339)
	}
	all := replayedLetters{Skipped: map[string]int{}}
	defer func() { err = errors.Join(err, c.print(t, all)) }()
	for {
		var answer replayedLetters
		if err := c.client().ask(ctx, http.MethodPost, "/v1/dead/replay", nil, asked, &answer); err != nil {
			return err
		}
		all.Replayed += answer.Replayed
		for reason, n := range answer.Skipped {
			all.Skipped[reason] += n
		}
		if answer.Next == nil {
			return nil
		}
		asked["after"] = *answer.Next
	}
}

func (c *deadReplayCommand) print(t terminal, r replayedLetters) error {
	if c.Output == "json" {
		r.Next = nil // it was followed
		line, err := json.Marshal(r)
		if err == nil {
			err = c.printer(t).lines([]json.RawMessage{line})
		}
		return err
	}
	said := []string{fmt.Sprintf("%d put back", r.Replayed)}
	for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
		said = append(said, fmt.Sprintf("%d skipped (%s)", r.Skipped[reason], plain(reason)))
	}
	t.printf("%s\n", strings.Join(said, ", "))
	return nil
}
