package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// replayWords is the body of POST /v1/keyword-replays.
type replayWords struct {
	Keywords []string `json:"keywords"`
	Since    string   `json:"since"`   // 7d by default, which is as long as inbound is kept
	Channel  string   `json:"channel"` // one channel; "" for all on which the list listens
	List     string   `json:"list"`    // the list that they would be keywords of; default
}

// Limits of a keyword replay.
const (
	replayWordsMost = 1000
	replayWordMost  = 300 // code points
	progressEvery   = 2 * time.Second
	replaysAtOnce   = 2
)

// Lines of the answer: progress now and then, one for each keyword, totals at the end.
type (
	replayProgress struct {
		Read int64 `json:"read"` // records of inbound, of all accounts
		Of   int64 `json:"of"`
	}
	replayKeyword struct {
		Keyword  string `json:"keyword"`
		Folded   string `json:"folded"`
		Messages int    `json:"messages"`
		People   int    `json:"people"`
		OptedOut int    `json:"opted_out"` // of these people, already
	}
	replayTotals struct {
		Read       int64  `json:"read"`
		Messages   int64  `json:"messages"` // of this account, that might have been heard
		Unreadable int64  `json:"unreadable"`
		People     int    `json:"people"` // who said one of the keywords
		OptedOut   int    `json:"opted_out"`
		Since      string `json:"since"`
		Complete   bool   `json:"complete"` // else more matched than is remembered, and the numbers are the least there are
	}
)

// replayKeywords answers POST /v1/keyword-replays: what would these words have matched? It reads the messages that are still
// kept, changes nothing, and shows nothing of them but numbers. Lines come as they are known.
func (a *API) replayKeywords(c *call) error {
	c.changesNothing()
	var asked replayWords
	if err := c.decode(1<<20, &asked); err != nil {
		return err
	}
	account, err := a.Accounts.Account(c.ctx, c.account)
	if err != nil {
		return err
	}
	k, err := a.listener(account, asked)
	if err != nil {
		return err
	}
	parts, err := a.stretches(c.ctx, stream.Inbound, k.since)
	if err != nil {
		return err
	}
	if a.replays.Add(1) > replaysAtOnce {
		a.replays.Add(-1)
		return fault.New(fault.Unavailable, "busy", "Other replays are on their way, and each reads all messages: come back in a minute.")
	}
	return c.stream("application/x-ndjson", func(ctx context.Context, w *bufio.Writer) error {
		defer a.replays.Add(-1)
		say := func(line any) error {
			if err := json.NewEncoder(w).Encode(line); err != nil {
				return err
			}
			return w.Flush()
		}
		if err := k.listen(ctx, parts, say); err != nil {
			return fmt.Errorf("keyword replay: %w", err)
		}
		return k.tell(ctx, say)
	})
}
