// Package shard is the one mechanism by which anything durable is decided: commands are folded by the one owner of their
// shard, a pure function of state and command; the new states are the decision, and the view in Redis follows them.
package shard

import (
	"encoding/json"
	"fmt"

	"optgate/pipeline/stream"
)

// Command is what somebody wants done: the value of a record of commands. One that names several identifiers is appended
// to the shard of each, under the same id.
type Command struct {
	V       int             `json:"v"`
	ID      string          `json:"id"`
	Kind    string          `json:"kind"`
	Account string          `json:"account,omitempty"`
	Made    int64           `json:"made"` // ms since 1970 at which it was made; the only clock a fold has
	Body    json.RawMessage `json:"body"`

	read *memo // of the body
}

// NewCommand makes a command whose body is written as JSON.
func NewCommand(id, kind, account string, made int64, body any) (Command, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return Command{}, fmt.Errorf("command %s: %w", kind, err)
	}
	return Command{V: stream.Version, ID: id, Kind: kind, Account: account, Made: made, Body: raw}, nil
}

// memo keeps what a body was read as, so that Keys and Apply read it once.
type memo struct {
	as  any
	err error
}

// Body gives a command's body as what its kind says it is. It is read only once where an Owner folds, so that nobody may
// write into it.
func Body[T any](c Command) (*T, error) {
	if c.read == nil {
		c.read = &memo{}
	}
	body, again := c.read.as.(*T)
	if !again {
		body = new(T)
		c.read.as, c.read.err = body, json.Unmarshal(c.Body, body)
	}
	if c.read.err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Kind, c.read.err)
	}
	return body, nil
}

// MaxCommand is the largest command, in bytes; a larger one is refused where it is made.
const MaxCommand = 512 << 10

// Record writes a command for a shard.
func (c Command) Record(shard int) (*stream.Record, error) {
	c.V = stream.Version
	value, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("command %s: %w", c.Kind, err)
	}
	if len(value) > MaxCommand {
		return nil, fmt.Errorf("command %s: %d bytes, at most %d", c.Kind, len(value), MaxCommand)
	}
	return &stream.Record{Topic: stream.Commands, Partition: shard, Key: []byte(c.ID), Value: value}, nil
}
