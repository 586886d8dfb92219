package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/stream"
)

// receiptTime is how long Meta may tell about a message.
const receiptTime = 30 * 24 * time.Hour

// sentPeriod is the time whose messages share their hashes, so that the index has few keys however many messages it
// knows: a key for each message would cost Redis several times the memory, and the embedded one walks all its keys
// whenever its clock moves.
const sentPeriod = 10 * 24 * time.Hour

// NoteSent remembers what was given to Meta to find a message's row by, for receipts that come without it. It is a mere
// index: what is lost of it costs a receipt.
func (s *Store) NoteSent(ctx context.Context, account, messageID, callback string) error {
	m, period := newSent(account, messageID), periodOf(time.Now())
	key := s.sentKey(m, period)
	pipe := s.rdb.Pipeline()
	pipe.HSet(ctx, key, m.field, callback)
	pipe.ExpireAt(ctx, key, time.Unix((period+1)*int64(sentPeriod.Seconds()), 0).Add(receiptTime))
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("note a sent message: %w", err)
	}
	return nil
}

// Callbacks gives what NoteSent remembers of messages, by message id; those unknown are missing.
func (s *Store) Callbacks(ctx context.Context, account string, messageIDs []string) (map[string]string, error) {
	found := map[string]string{}
	for some := range slices.Chunk(messageIDs, askAtOnce/askedEach) {
		if err := s.callbacks(ctx, account, some, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// askedEach is how many periods a message may have been sent in.
const askedEach = int(receiptTime/sentPeriod) + 1

func (s *Store) callbacks(ctx context.Context, account string, messageIDs []string, found map[string]string) error {
	last := periodOf(time.Now())
	pipe := s.rdb.Pipeline()
	answers := make([]*redis.StringCmd, 0, len(messageIDs)*askedEach)
	for _, id := range messageIDs {
		m := newSent(account, id)
		for period := last + 1 - int64(askedEach); period <= last; period++ {
			answers = append(answers, pipe.HGet(ctx, s.sentKey(m, period), m.field))
		}
	}
	_, _ = pipe.Exec(ctx) // each command's own error is looked at
	for i, answer := range answers {
		if err := answer.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return uncertain(fmt.Errorf("find sent messages: %w", err))
		}
		if callback := answer.Val(); callback != "" {
			found[messageIDs[i/askedEach]] = callback
		}
	}
	return nil
}

// sent is a message in the index. Its id is hidden, since it contains a phone number.
type sent struct{ part, field string }

func newSent(account, messageID string) sent {
	sum := sha256.Sum256([]byte(account + "/" + messageID))
	hash := hex.EncodeToString(sum[:12])
	return sent{part: hash[:1], field: hash[1:]}
}

func (s *Store) sentKey(m sent, period int64) string {
	return s.key(stream.Spread(m.field, int(s.shards)), sentName(period, m.part))
}

// periodOf numbers the periods since 1970.
func periodOf(t time.Time) int64 { return t.Unix() / int64(sentPeriod.Seconds()) }
