package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"optgate/pipeline/access"
	"optgate/pipeline/broadcast"
	"optgate/pipeline/contact"
	"optgate/pipeline/fault"
	"optgate/pipeline/media"
	"optgate/pipeline/optout"
	"optgate/pipeline/segment"
	"optgate/pipeline/sequence"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// How a decision is waited for.
const (
	decisionTime  = 2 * time.Second
	firstLook     = 2 * time.Millisecond
	longestToLook = 50 * time.Millisecond
)

// publish appends commands to a shard and gives the offset of the last one. They are kept once it returns nil.
func (a *API) publish(ctx context.Context, at int, commands ...shard.Command) (offset int64, err error) {
	records := make([]*stream.Record, len(commands))
	for i, c := range commands {
		if records[i], err = c.Record(at); err != nil {
			return 0, err
		}
	}
	if err := a.Publisher.Publish(ctx, records...); err != nil {
		return 0, fault.Wrap(err, fault.Unavailable, "unavailable", "Nothing could be kept just now. Try again.")
	}
	return records[len(records)-1].Offset, nil
}

// decide appends a command to a shard and waits until it is decided; see decided.
func (a *API) decide(ctx context.Context, at int, command shard.Command) (*shard.Answer, error) {
	offset, err := a.publish(ctx, at, command)
	if err != nil {
		return nil, err
	}
	return a.decided(ctx, at, offset, command.ID)
}

// decided waits until a command's shard has decided it, and gives what was said. A refusal is an error; nil and no error
// mean that it is kept and not decided yet.
func (a *API) decided(ctx context.Context, at int, offset int64, command string) (*shard.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, decisionTime)
	defer cancel()
	for pause := firstLook; ; pause = min(2*pause, longestToLook) {
		answer, ok, err := a.Answers.Answer(ctx, at, offset, command)
		switch {
		case ctx.Err() != nil:
			return nil, nil //nolint:nilnil // as documented
		case err == nil && ok && answer == nil:
			return nil, fault.New(fault.Internal, "", "command %s was not understood by its shard", command)
		case err == nil && ok && !answer.OK:
			return nil, refused(answer)
		case err == nil && ok:
			return answer, nil
		}
		if !shard.Sleep(ctx, pause) {
			return nil, nil //nolint:nilnil // as documented
		}
	}
}

// valueOf reads the value of an answer.
func valueOf[T any](answer *shard.Answer) (value T, err error) {
	raw, err := json.Marshal(answer.Value)
	if err == nil {
		err = json.Unmarshal(raw, &value)
	}
	if err != nil {
		return value, fmt.Errorf("read the answer to a command: %w", err)
	}
	return value, nil
}

// refused is the error that a fold's refusal becomes.
func refused(answer *shard.Answer) error {
	kind := fault.Unprocessable
	switch answer.Code {
	case broadcast.CodeNotFound, access.CodeNotFound, media.CodeNotFound, optout.CodeUnknownList, optout.CodeUnknownText, contact.CodeUnknown, segment.CodeUnknown, sequence.CodeNotFound, sequence.CodeNoPerson:
		kind = fault.NotFound
	case broadcast.CodeWrongStatus, broadcast.CodeAudienceInUse, access.CodeNameTaken:
		kind = fault.Conflict
	case optout.CodeSystemList:
		kind = fault.Forbidden
	case optout.CodeStale:
		kind = fault.Stale
	case optout.CodeInvalid:
		if wrong, err := valueOf[[]fault.Field](answer); err == nil && len(wrong) > 0 {
			return wrongFields(wrong)
		}
	case broadcast.CodeIncomplete:
		kind = fault.Unavailable
	}
	return fault.New(kind, answer.Code, "%s", answer.Msg)
}
