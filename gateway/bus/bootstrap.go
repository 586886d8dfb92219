package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"optgate/pipeline/stream"
)

// What keeps an installation from starting; a human has to decide. errors.Is tells them apart.
var (
	// ErrKafkaEmpty says that Kafka holds nothing though Redis knows an installation: opt-outs may be lost.
	ErrKafkaEmpty = errors.New("kafka is empty beside a redis that knows an installation")
	// ErrInstallation says that Kafka and Redis, or two partitions, belong to different installations.
	ErrInstallation = errors.New("another installation")
	// ErrShards says that the installation was made with another number of shards, which can't be changed.
	ErrShards = errors.New("another number of shards")
	// ErrSettings says that a topic is not set as it must be.
	ErrSettings = errors.New("topic settings differ")
	// ErrCut says that the beginning of a partition of state is missing: opt-outs may be lost.
	ErrCut = errors.New("log of state was cut")
)

// installationKey is the key of the first record of each partition of state.
const installationKey = "installation"

// birth is the value of the first record of each partition of state.
type birth struct {
	V            int    `json:"v"`
	Installation string `json:"installation"`
	Shard        int    `json:"shard"`
	Shards       int    `json:"shards"`
	At           int64  `json:"at"` // ms since 1970
}

// Bootstrap makes sure that this Kafka holds an installation, and gives its id: the one that is there, or, on an empty
// Kafka, the one offered. redisKnows is the id that Redis has seen, "" if none: an empty Kafka beside it is ErrKafkaEmpty,
// and nothing is created. Two that start at once end up with one installation. It tries until ctx ends; the errors above
// are for good.
func (b *Bus) Bootstrap(ctx context.Context, installation, redisKnows string) (string, error) {
	for {
		id, err := b.bootstrap(ctx, installation, redisKnows)
		if errors.Is(err, stream.ErrDeposed) { // another process started at the same moment
			if pause(ctx, 200*time.Millisecond) {
				continue
			}
		}
		if err != nil {
			return "", fmt.Errorf("bootstrap: %w", err)
		}
		return id, nil
	}
}

func (b *Bus) bootstrap(ctx context.Context, installation, redisKnows string) (string, error) {
	missing, err := b.missing(ctx)
	if err != nil {
		return "", err
	}
	if missing[stream.State] {
		if redisKnows != "" {
			return "", ErrKafkaEmpty
		}
		if len(missing) < len(b.topics) && !b.young(ctx, missing) {
			return "", fmt.Errorf("topic %s is missing beside others that are in use: %w", b.name(stream.State), ErrCut)
		}
	}
	writer := &Owned{b: b, id: b.cfg.Prefix + "bootstrap"}
	if err := writer.Claim(ctx); err != nil {
		return "", err
	}
	if err := b.create(ctx, missing); err != nil {
		return "", err
	}
	if err := b.checkSettings(ctx); err != nil {
		return "", err
	}
	found, err := b.births(ctx)
	if err != nil {
		return "", err
	}
	id, err := found.installation(redisKnows)
	if err != nil {
		return "", err
	}
	if id == "" {
		id = installation
	}
	for shard := range int(b.cfg.Shards) {
		if found.ids[shard] != "" {
			continue
		}
		if err := b.write(ctx, writer, birth{V: stream.Version, Installation: id, Shard: shard, Shards: int(b.cfg.Shards), At: time.Now().UnixMilli()}); err != nil {
			return "", err
		}
	}
	return id, nil
}

func (b *Bus) write(ctx context.Context, writer *Owned, first birth) error {
	value, err := json.Marshal(first)
	if err != nil {
		return err
	}
	_, err = writer.append(ctx, place{stream.State, first.Shard}, []*stream.Record{{Key: []byte(installationKey), Value: value}})
	return err
}

// Verify looks again at what Bootstrap has looked at: settings, and the first record of each partition of state. Kafka
// being away is an error too, of none of the kinds above.
func (b *Bus) Verify(ctx context.Context) error {
	missing, err := b.missing(ctx)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	for topic := range missing {
		return fmt.Errorf("verify: topic %s is missing: %w", b.name(topic), ErrCut)
	}
	if err := b.checkSettings(ctx); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	found, err := b.births(ctx)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	for shard, id := range found.ids {
		if id == "" {
			return fmt.Errorf("verify: shard %d: %w", shard, ErrCut)
		}
	}
	_, err = found.installation("")
	return err
}

// births is what the partitions of state begin with.
type births struct {
	ids  []string // installation by shard, "" where the partition is empty
	used bool     // some partition holds more than its first record: bootstrap was complete once
}

func (b *Bus) births(ctx context.Context) (births, error) {
	all := births{ids: make([]string, b.cfg.Shards)}
	for shard := range all.ids {
		first, end, err := b.Ends(ctx, stream.State, shard)
		if err != nil {
			return all, err
		}
		if end == 0 {
			continue
		}
		all.used = all.used || end > 1
		if first > 0 {
			return all, fmt.Errorf("shard %d begins at %d: %w", shard, first, ErrCut)
		}
		if all.ids[shard], err = b.birthOf(ctx, shard, end); err != nil {
			return all, err
		}
	}
	return all, nil
}

// errFound ends a reading that has what it looked for.
var errFound = errors.New("found")

func (b *Bus) birthOf(ctx context.Context, shard int, end int64) (string, error) {
	var first stream.Record
	err := b.Read(ctx, stream.State, shard, 0, end, func(r stream.Record) error {
		first = r
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return "", err
	}
	if first.Offset != 0 || string(first.Key) != installationKey {
		return "", fmt.Errorf("shard %d does not begin with the record of its installation: %w", shard, ErrCut)
	}
	var is birth
	if err := json.Unmarshal(first.Value, &is); err != nil {
		return "", fmt.Errorf("shard %d, first record: %w: %w", shard, err, ErrCut)
	}
	switch {
	case is.V > stream.Version:
		return "", fmt.Errorf("shard %d, first record: %w", shard, stream.ErrVersion)
	case is.Shards != int(b.cfg.Shards):
		return "", fmt.Errorf("kafka was set up with %d shards, not %d; the number can't be changed: %w", is.Shards, b.cfg.Shards, ErrShards)
	case is.Shard != shard || is.Installation == "":
		return "", fmt.Errorf("shard %d begins with the record of shard %d: %w", shard, is.Shard, ErrInstallation)
	}
	return is.Installation, nil
}

// installation gives the one id that all partitions belong to, "" where all are empty. An empty partition beside one in use
// has lost its records.
func (all births) installation(redisKnows string) (string, error) {
	id := ""
	for shard, of := range all.ids {
		switch {
		case of == "" && all.used:
			return "", fmt.Errorf("shard %d is empty beside others in use: %w", shard, ErrCut)
		case of == "":
		case id == "":
			id = of
		case of != id:
			return "", fmt.Errorf("shard %d: %w", shard, ErrInstallation)
		}
	}
	switch {
	case redisKnows == "":
		return id, nil
	case id == "":
		return "", ErrKafkaEmpty
	case id != redisKnows:
		return "", fmt.Errorf("kafka holds %s, redis knows %s: %w", id, redisKnows, ErrInstallation)
	}
	return id, nil
}
