package bus

import (
	"strconv"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

const day = 24 * time.Hour

// settings is what a topic is created with and checked against. What stands there is the least: an operator may keep
// records longer or allow larger ones.
type settings struct {
	partitions int
	retention  time.Duration // forever: kept for ever
	compacted  bool          // the last record of each key is kept for ever; retention says how long tombstones are
	maxBytes   int           // of one batch
	later      bool          // installations made before there was such a topic lack it: it is made beside a state in use
}

const forever time.Duration = -1

// segment bounds how long a deleted or superseded record may still lie in a closed file: all topics hold personal data.
const segment = day

// compactionLag is the longest that a superseded state may stay before the broker compacts it away.
const compactionLag = 7 * day

// table names every topic.
func table(shards chat.Shards) map[stream.Topic]settings {
	n, lanes := int(shards), shards.Lanes()
	return map[stream.Topic]settings{
		stream.Inbound:         {partitions: n, retention: 7 * day, maxBytes: 4 << 20},
		stream.Commands:        {partitions: n, retention: 14 * day, maxBytes: 8 << 20},
		stream.State:           {partitions: n, retention: 14 * day, maxBytes: 8 << 20, compacted: true},
		stream.Consent:         {partitions: n, retention: forever, maxBytes: 8 << 20},
		stream.OutboundReplies: {partitions: lanes, retention: 3 * day, maxBytes: 4 << 20},
		stream.OutboundBulk:    {partitions: lanes, retention: 3 * day, maxBytes: 4 << 20},
		stream.IntentsReplies:  {partitions: lanes, retention: 8 * day, maxBytes: 4 << 20},
		stream.IntentsBulk:     {partitions: lanes, retention: 8 * day, maxBytes: 4 << 20},
		stream.Outcomes:        {partitions: n, retention: 28 * day, maxBytes: 4 << 20},
		stream.Events:          {partitions: n, retention: day, maxBytes: 4 << 20},
		stream.Dead:            {partitions: n, retention: 28 * day, maxBytes: 4 << 20},
		stream.Media:           {partitions: n, retention: 7 * day, maxBytes: 2 << 20, compacted: true, later: true},
	}
}

// entries gives a topic's settings as Kafka spells them.
func (s settings) entries(singleCopy bool) map[string]string {
	entries := map[string]string{
		"cleanup.policy":                 "delete",
		"retention.ms":                   millis(s.retention),
		"retention.bytes":                "-1",
		"segment.ms":                     millis(segment),
		"max.message.bytes":              strconv.Itoa(s.maxBytes),
		"min.insync.replicas":            "2",
		"unclean.leader.election.enable": "false",
		"message.timestamp.type":         "CreateTime",
	}
	if s.compacted {
		entries["cleanup.policy"] = "compact"
		entries["retention.ms"] = "-1"
		entries["max.compaction.lag.ms"] = millis(compactionLag)
		entries["delete.retention.ms"] = millis(s.retention)
	}
	if singleCopy {
		entries["min.insync.replicas"] = "1"
	}
	return entries
}

func millis(d time.Duration) string {
	if d == forever {
		return "-1"
	}
	return strconv.FormatInt(d.Milliseconds(), 10)
}
