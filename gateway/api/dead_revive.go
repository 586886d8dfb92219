package api

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"optgate/pipeline/feed"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// revived gives a letter as the record that it was, or why it can't be. A delivery's is one that has it tried anew.
func (a *API) revived(letter *stream.Record) (r *stream.Record, skipped string) {
	topic, place, _ := strings.Cut(letter.Header("source"), "/")
	if len(letter.Value) == 0 {
		return nil, skippedIncomplete
	}
	switch stream.Topic(topic) {
	case stream.Inbound:
		received := letter.Header("received_at")
		if ms, err := strconv.ParseInt(received, 10, 64); err != nil || ms <= 0 {
			return nil, skippedIncomplete
		}
		return &stream.Record{
			Topic: stream.Inbound, Partition: stream.Anywhere, Key: []byte(letter.Header("source")), Value: letter.Value,
			Headers: []stream.Header{
				{Key: "v", Value: strconv.Itoa(stream.Version)}, {Key: "app", Value: letter.Header("app")}, {Key: "received_at", Value: received},
			},
		}, ""
	case stream.Commands:
		at, _, _ := strings.Cut(place, "/")
		n, err := strconv.Atoi(at)
		var command shard.Command
		if err != nil || n < 0 || n >= int(a.Shards) || json.Unmarshal(letter.Value, &command) != nil || command.ID == "" {
			return nil, skippedIncomplete
		}
		return &stream.Record{Topic: stream.Commands, Partition: n, Key: []byte(command.ID), Value: letter.Value}, ""
	}
	if topic == feed.LetterSource {
		command, at, err := feed.Revive(fmt.Sprintf("dead/%d/%d", letter.Partition, letter.Offset), letter.Value, a.Now().UnixMilli())
		if err != nil || at >= int(a.Shards) {
			return nil, skippedIncomplete
		}
		if r, err = command.Record(at); err != nil {
			return nil, skippedIncomplete
		}
		return r, ""
	}
	return nil, skippedNotReplayable
}
