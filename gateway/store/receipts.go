package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"optgate/pipeline/stream"
)

// receiptTime is how long Meta may tell about a message.
const receiptTime = 30 * 24 * time.Hour

// NoteSent remembers what was given to Meta to find a message's row by, for receipts that come without it. It is a mere
// index: what is lost of it costs a receipt.
func (s *Store) NoteSent(ctx context.Context, account, messageID, callback string) error {
	if err := s.rdb.Set(ctx, s.sentKey(account, messageID), callback, receiptTime).Err(); err != nil {
		return fmt.Errorf("note a sent message: %w", err)
	}
	return nil
}

// Callbacks gives what NoteSent remembers of messages, by message id; those unknown are missing.
func (s *Store) Callbacks(ctx context.Context, account string, messageIDs []string) (map[string]string, error) {
	pipe := s.rdb.Pipeline()
	asked := make([]*redis.StringCmd, len(messageIDs))
	for i, id := range messageIDs {
		asked[i] = pipe.Get(ctx, s.sentKey(account, id))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, uncertain(fmt.Errorf("find sent messages: %w", err))
	}
	found := map[string]string{}
	for i, id := range messageIDs {
		if callback := asked[i].Val(); callback != "" {
			found[id] = callback
		}
	}
	return found, nil
}

// sentKey hides the message id, which contains a phone number.
func (s *Store) sentKey(account, messageID string) string {
	sum := sha256.Sum256([]byte(account + "/" + messageID))
	name := sentName(hex.EncodeToString(sum[:12]))
	return s.key(stream.Spread(name, int(s.shards)), name)
}
