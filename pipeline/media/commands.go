package media

import (
	"time"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// NewBegin says that a file begins to come, whose bytes are a blob. Its maker waits for the answer before it writes any.
func NewBegin(id, account, blob string, now time.Time) (shard.Command, error) {
	return shard.NewCommand(id, CommandBegin, account, now.UnixMilli(), body{Blob: blob, Answer: true})
}

// NewAdd adds a file. The answer's value is an Added.
func NewAdd(id, account, file, name string, c Content, now time.Time) (shard.Command, error) {
	return shard.NewCommand(id, CommandAdd, account, now.UnixMilli(), body{ID: file, Blob: c.Blob, Name: name, Content: &c, Answer: true})
}

// NewDrop gives up a file that did not come to its end.
func NewDrop(id, account, blob string, now time.Time) (shard.Command, error) {
	return shard.NewCommand(id, CommandDrop, account, now.UnixMilli(), body{Blob: blob})
}

// NewDelete deletes a file. Its maker waits for the answer.
func NewDelete(id, account, file string, now time.Time) (shard.Command, error) {
	return shard.NewCommand(id, CommandDelete, account, now.UnixMilli(), body{ID: file, Answer: true})
}

// NewRemoved says that copies of what is gone are no longer at Meta.
func NewRemoved(id string, gone Copies, ids []string, now time.Time) (shard.Command, error) {
	return shard.NewCommand(id, CommandRemoved, gone.Account, now.UnixMilli(), body{Blob: gone.Name, IDs: ids})
}

// uploaded writes the record that says that Meta has a copy.
func (l *Library) uploaded(id string, m Media, channel string, u Upload) (*stream.Record, error) {
	c, err := shard.NewCommand(id, CommandUploaded, m.Account, l.now().UnixMilli(), body{ID: m.ID, Blob: m.Blob, Channel: channel, Upload: &u})
	if err != nil {
		return nil, err
	}
	return c.Record(l.Shards.Account(m.Account))
}
