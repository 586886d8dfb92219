package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// headsBody bounds the heads that are given to verify, in bytes: ten years of 64 partitions.
const headsBody = 32 << 20

// verifyLedger answers GET /v1/ledger/verify, and POST with heads that were kept elsewhere, one JSON object a line. It reads the
// whole ledger and gives a line for each partition as it comes to its end. Nothing but the logs is asked.
func (a *API) verifyLedger(c *call) error {
	c.changesNothing()
	heads, err := a.givenHeads(c)
	if err != nil {
		return err
	}
	if _, err := a.stretches(c.ctx, stream.Consent, time.Time{}); err != nil {
		return err // while it can still be told
	}
	return c.stream("application/x-ndjson", func(ctx context.Context, w *bufio.Writer) error {
		encode := json.NewEncoder(w)
		for p := range a.Topics.Partitions(stream.Consent) {
			verdict, err := a.verifyPartition(ctx, p, heads[p])
			if err != nil {
				return fmt.Errorf("verify partition %d of the ledger: %w", p, err)
			}
			if err := encode.Encode(verdict); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
		return nil
	})
}

// givenHeads reads the body of a POST, by partition.
func (a *API) givenHeads(c *call) (map[int][]optout.Head, error) {
	if !c.rc.IsPost() {
		return nil, nil
	}
	body, err := c.body(headsBody)
	if err != nil {
		return nil, err
	}
	return parseHeads(body, a.Topics.Partitions(stream.Consent))
}

// parseHeads reads lines of heads of a ledger with so many partitions.
func parseHeads(body []byte, partitions int) (map[int][]optout.Head, error) {
	heads, n := map[int][]optout.Head{}, 0
	for line := range bytes.Lines(body) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var h struct {
			optout.Head
			Partition *int   `json:"partition"` // what is missing is not the first
			Offset    *int64 `json:"offset"`
		}
		err := json.Unmarshal(line, &h)
		if err == nil {
			_, err = shard.ParseChain(h.Chain)
		}
		if err != nil || h.Offset == nil || *h.Offset < 0 || h.Partition == nil || *h.Partition < 0 || *h.Partition >= partitions {
			return nil, fault.New(fault.Unprocessable, "not_a_head",
				`Line %d is no head of this ledger, as {"partition":0,"offset":41,"chain":"<64 digits of hex>"}.`, n)
		}
		h.Head.Offset, h.Head.Partition = *h.Offset, *h.Partition
		heads[*h.Partition] = append(heads[*h.Partition], h.Head)
	}
	return heads, nil
}

// verifyPartition waits for its turn: each takes up to 100 MB for what it has seen.
func (a *API) verifyPartition(ctx context.Context, p int, heads []optout.Head) (verdict optout.Verdict, err error) {
	select {
	case a.proving <- struct{}{}:
		defer func() { <-a.proving }()
	case <-ctx.Done():
		return verdict, ctx.Err()
	}
	installation, err := a.installation(ctx, p)
	if err != nil {
		return verdict, err
	}
	cursor, err := a.lastCursor(ctx, p) // before the end is asked for: the ledger only grows
	if err != nil {
		return verdict, err
	}
	first, end, err := a.Topics.Ends(ctx, stream.Consent, p)
	if err != nil {
		return verdict, err
	}
	v := optout.NewVerifier(installation, p, cursor, heads, func(ctx context.Context, offset int64) (stream.Record, error) {
		return a.Topics.At(ctx, stream.Consent, p, offset)
	})
	err = a.Topics.Read(ctx, stream.Consent, p, first, end, func(r stream.Record) error { return v.Take(ctx, &r) })
	return v.End(end), err
}

var errEnoughRead = errors.New("what was looked for is read")

// installation reads whose a partition of state is, which is what its first record says.
func (a *API) installation(ctx context.Context, p int) (string, error) {
	var birth struct {
		Installation string `json:"installation"`
	}
	first, end, err := a.Topics.Ends(ctx, stream.State, p)
	if err == nil {
		err = a.Topics.Read(ctx, stream.State, p, first, end, func(r stream.Record) error {
			if string(r.Key) == shard.InstallationKey {
				if err := json.Unmarshal(r.Value, &birth); err != nil {
					return fmt.Errorf("first record of state: %w", err)
				}
			}
			return errEnoughRead
		})
	}
	if errors.Is(err, errEnoughRead) {
		err = nil
	}
	return birth.Installation, err
}

// lastCursor reads the last decision's cursor from a partition of state, back from its end: each decision writes one, so that
// it is never far.
func (a *API) lastCursor(ctx context.Context, p int) (cursor shard.Cursor, err error) {
	first, end, err := a.Topics.Ends(ctx, stream.State, p)
	for size := int64(4096); err == nil; size *= 16 {
		from, found := max(first, end-size), false
		err = a.Topics.Read(ctx, stream.State, p, from, end, func(r stream.Record) error {
			if string(r.Key) != shard.CursorKey {
				return nil
			}
			found, cursor = true, shard.Cursor{}
			return json.Unmarshal(r.Value, &cursor)
		})
		if found || from == first {
			break
		}
	}
	return cursor, err
}

// ledgerHeads answers GET /v1/ledger/heads?since=: for each partition the chain of each UTC day's last row, as lines, to be
// kept where nobody who may write to Kafka can change them.
func (a *API) ledgerHeads(c *call) error {
	since, err := c.instant("since")
	if err != nil {
		return err
	}
	parts, err := a.stretches(c.ctx, stream.Consent, since.UTC().Truncate(day))
	if err != nil {
		return err
	}
	return c.stream("application/x-ndjson", func(ctx context.Context, w *bufio.Writer) error {
		encode := json.NewEncoder(w)
		for _, s := range parts {
			var days optout.Days
			err := a.Topics.Read(ctx, stream.Consent, s.partition, s.from, s.to, func(r stream.Record) error {
				if head, ended := days.Take(&r); ended {
					return encode.Encode(head)
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("heads of partition %d of the ledger: %w", s.partition, err)
			}
			if head, there := days.End(); there {
				if err := encode.Encode(head); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

const day = 24 * time.Hour
