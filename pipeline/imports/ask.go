package imports

import (
	"context"
	"encoding/json"
	"time"

	"optgate/pipeline/fault"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// ask has a command of the import decided, and gives the import as it is then.
func (m Importer) ask(ctx context.Context, o Order, id, kind string, body any) (i Import, err error) {
	at := Ref{o.Account.ID, o.ID}.Shard(m.Shards)
	offset, err := m.tell(ctx, o, id, kind, body)
	if err != nil {
		return i, err
	}
	answer, err := m.decided(ctx, at, offset, id)
	switch {
	case err != nil:
		return i, err
	case answer == nil:
		return i, fault.New(fault.Internal, "", "command %s was not understood by its shard", kind)
	case !answer.OK:
		return i, fault.New(fault.Unprocessable, answer.Code, "%s", answer.Msg)
	}
	raw, err := json.Marshal(answer.Value)
	if err == nil {
		err = json.Unmarshal(raw, &i)
	}
	return i, err
}

// tell publishes a command to the import's shard.
func (m Importer) tell(ctx context.Context, o Order, id, kind string, body any) (offset int64, err error) {
	c, err := shard.NewCommand(id, kind, o.Account.ID, m.Now().UnixMilli(), body)
	if err != nil {
		return 0, err
	}
	record, err := c.Record(Ref{o.Account.ID, o.ID}.Shard(m.Shards))
	if err != nil {
		return 0, err
	}
	return m.publish(ctx, record)
}

// publish publishes commands to one shard, and gives the offset of the last.
func (m Importer) publish(ctx context.Context, records ...*stream.Record) (offset int64, err error) {
	if err := m.Publisher.Publish(ctx, records...); err != nil {
		return 0, fault.Wrap(err, fault.Unavailable, "unavailable", "The import could not go on. Send the file again, under the same Idempotency-Key.")
	}
	for _, r := range records {
		offset = max(offset, r.Offset)
	}
	return offset, nil
}

// decided waits until a shard has come past an offset, and gives what was said to the command there. A shard that decides
// nothing for long is a fault.Unavailable.
func (m Importer) decided(ctx context.Context, at int, offset int64, command string) (*shard.Answer, error) {
	began := time.Now()
	for pause := firstLook; ; pause = min(2*pause, slowLook) {
		answer, ok, err := m.Answers.Answer(ctx, at, offset, command)
		if err == nil && ok {
			return answer, nil
		}
		if time.Since(began) > patience {
			return nil, fault.Wrap(err, fault.Unavailable, "undecided", "The import waits for decisions in vain. Send the file again later, under the same Idempotency-Key.")
		}
		if !shard.Sleep(ctx, pause) {
			return nil, ctx.Err()
		}
	}
}
