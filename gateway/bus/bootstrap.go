package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// ForGood says that an error of Bootstrap or Verify tells of what Kafka holds, not that it could not be asked.
func ForGood(err error) bool {
	for _, kind := range []error{ErrKafkaEmpty, ErrInstallation, ErrShards, ErrSettings, ErrCut, stream.ErrTruncated, stream.ErrVersion} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// Keys of the records that bootstrap writes into state. Owners know both and pass over them.
const (
	installationKey = "installation"
	fenceKey        = "claim"
)

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
// and nothing is created. Of several that start at once the one that makes the topic state gives the id; one that died on
// the way is succeeded after some seconds. It tries until ctx ends; the errors above are for good.
func (b *Bus) Bootstrap(ctx context.Context, installation, redisKnows string) (string, error) {
	for {
		id, err := b.bootstrap(ctx, installation, redisKnows)
		if errors.Is(err, stream.ErrDeposed) && pause(ctx, 200*time.Millisecond) { // another process is at it
			continue
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
	if len(missing) > 0 && !missing[stream.State] {
		if err := b.checkSettings(ctx); err != nil { // a state of a broker's making has no shards to look into
			return "", err
		}
		if err := b.unused(ctx, missing); err != nil {
			return "", err
		}
	}
	first, err := b.create(ctx, missing)
	if err != nil {
		return "", err
	}
	if err := b.checkSettings(ctx); err != nil {
		return "", err
	}
	writer := &Owned{b: b, id: b.cfg.Prefix + "bootstrap"}
	if first {
		if err := writer.Claim(ctx); err != nil {
			return "", err
		}
	}
	found, err := b.births(ctx)
	if err == nil && (!first || found.begun) {
		found, err = b.succeed(ctx, writer, found, redisKnows)
	}
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
	for shard, has := range found.ids {
		if has != "" {
			continue
		}
		value := birth{V: stream.Version, Installation: id, Shard: shard, Shards: len(found.ids), At: time.Now().UnixMilli()}
		if err := write(ctx, writer, shard, installationKey, value); err != nil {
			return "", err
		}
	}
	return id, nil
}

// succession is how long an unfinished bootstrap is left to whoever began it.
const succession = 3 * time.Second

// succeed waits until another's bootstrap is finished, or, if it seems to have died, takes its place: a record in each
// partition without a first one keeps it from going on there, and only then is it certain what it has written.
func (b *Bus) succeed(ctx context.Context, writer *Owned, found births, redisKnows string) (births, error) {
	for began := time.Now(); !found.complete(); {
		if _, err := found.installation(redisKnows); err != nil {
			return found, err
		}
		if time.Since(began) > succession {
			break
		}
		if !pause(ctx, 100*time.Millisecond) {
			return found, context.Cause(ctx)
		}
		var err error
		if found, err = b.births(ctx); err != nil {
			return found, err
		}
	}
	if found.complete() {
		return found, nil
	}
	if err := writer.Claim(ctx); err != nil {
		return found, err
	}
	for shard, has := range found.ids {
		if has != "" {
			continue
		}
		if err := write(ctx, writer, shard, fenceKey, fence{V: stream.Version, Bootstrap: true}); err != nil {
			return found, err
		}
	}
	return b.births(ctx)
}

// fence is the value of the record by which one bootstrap succeeds another.
type fence struct {
	V         int  `json:"v"`
	Bootstrap bool `json:"bootstrap"`
}

func write(ctx context.Context, writer *Owned, shard int, key string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = writer.append(ctx, place{stream.State, shard}, []*stream.Record{{Key: []byte(key), Value: encoded}})
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
	if !found.complete() {
		return fmt.Errorf("verify: shard %d is empty: %w", slices.Index(found.ids, ""), ErrCut)
	}
	if _, err = found.installation(""); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// births is what the partitions of state begin with.
type births struct {
	ids   []string // installation by shard, "" where the partition has no first record
	begun bool     // some partition holds something
	used  bool     // some partition holds what no bootstrap writes: there was a complete one
}

func (all births) complete() bool { return !slices.Contains(all.ids, "") }

// births looks at the beginning of each partition of state.
func (b *Bus) births(ctx context.Context) (births, error) {
	all := births{ids: make([]string, b.cfg.Shards)}
	for shard := range all.ids {
		first, end, err := b.Ends(ctx, stream.State, shard)
		if err != nil {
			return all, err
		}
		used := false
		all.begun = all.begun || end > 0
		err = b.Read(ctx, stream.State, shard, first, end, func(r stream.Record) error {
			switch {
			case string(r.Key) == installationKey:
				all.ids[shard], err = b.birthOf(shard, r.Value)
				return err
			case string(r.Key) == fenceKey && strings.Contains(string(r.Value), `"bootstrap":true`):
				return nil
			}
			used = true
			return errEnough
		})
		if err != nil && !errors.Is(err, errEnough) {
			return all, err
		}
		if all.ids[shard] == "" && (used || first > 0) {
			return all, fmt.Errorf("shard %d does not begin with the record of its installation: %w", shard, ErrCut)
		}
		all.used = all.used || used
	}
	return all, nil
}

// errEnough ends a reading that has seen what it looked for.
var errEnough = errors.New("enough")

func (b *Bus) birthOf(shard int, value []byte) (string, error) {
	var is birth
	if err := json.Unmarshal(value, &is); err != nil {
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

// installation gives the one id that all partitions belong to, "" where none has a first record. A partition without one
// beside others in use, or beside a Redis that knows the installation, has lost its records.
func (all births) installation(redisKnows string) (string, error) {
	id := ""
	for shard, of := range all.ids {
		switch {
		case of == "":
		case id == "":
			id = of
		case of != id:
			return "", fmt.Errorf("shard %d belongs to %s, others to %s: %w", shard, of, id, ErrInstallation)
		}
	}
	switch {
	case id == "" && redisKnows != "":
		return "", ErrKafkaEmpty
	case !all.complete() && (all.used || redisKnows != ""):
		return "", fmt.Errorf("shard %d is empty beside others in use: %w", slices.Index(all.ids, ""), ErrCut)
	case redisKnows != "" && id != redisKnows:
		return "", fmt.Errorf("kafka holds %s, redis knows %s: %w", id, redisKnows, ErrInstallation)
	}
	return id, nil
}
