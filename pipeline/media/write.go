package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// Write keeps a file's bytes as they arrive, in chunks of the topic media under a blob's name that nobody else uses, and says
// what they are. It holds one chunk in memory. Until the blob is added to the library it shows nowhere; on an error its chunks
// are to be dropped. What can't be taken is a fault that says why: too large, unsupported, damaged, empty.
func Write(ctx context.Context, n chat.Shards, to stream.Publisher, account, blob string, from io.Reader) (Content, error) {
	at := partitionOf(n, blob)
	var offsets []int64
	var watched *watcher
	sum, piece := sha256.New(), make([]byte, Chunk)
	for last := false; !last; {
		read, err := fill(piece, from)
		if err != nil {
			return Content{}, err
		}
		last = read < len(piece)
		if read == 0 && watched != nil {
			break
		}
		if watched == nil {
			if watched, err = begin(piece[:read]); err != nil {
				return Content{}, err
			}
		}
		if watched.size+int64(read) > watched.content.limit() {
			return Content{}, watched.content.tooLarge()
		}
		_, _ = watched.Write(piece[:read])
		_, _ = sum.Write(piece[:read])
		record := &stream.Record{Topic: stream.Media, Partition: at, Key: chunkKey(account, blob, len(offsets)), Value: piece[:read]}
		if err := to.Publish(ctx, record); err != nil {
			return Content{}, fault.Wrap(err, fault.Unavailable, "unavailable", "The file could not be kept. Send it again.")
		}
		offsets = append(offsets, record.Offset)
	}
	c, err := watched.end()
	if err != nil {
		return Content{}, err
	}
	c.Size, c.SHA256, c.Blob, c.Partition, c.Offsets = watched.size, hex.EncodeToString(sum.Sum(nil)), blob, at, offsets
	if c.Size > c.limit() { // it turned out to be of another kind
		return Content{}, c.tooLarge()
	}
	return c, nil
}

// fill reads until the piece is full or the file has ended. io.ReadFull would take a file that broke off for one that ended.
func fill(piece []byte, from io.Reader) (n int, err error) {
	for idle := 0; n < len(piece); {
		read, err := from.Read(piece[n:])
		n += read
		if err == io.EOF { // an end that something wraps is none
			return n, nil
		}
		if idle++; read > 0 {
			idle = 0
		}
		if err == nil && idle > 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func begin(head []byte) (*watcher, error) {
	if len(head) == 0 {
		return nil, fault.New(fault.Unprocessable, "empty_media", "The file has no bytes.")
	}
	c, ok := sniff(head)
	if !ok {
		return nil, unsupported()
	}
	return newWatcher(c, head), nil
}

// chunks reads records of media by their place.
type chunks interface {
	At(ctx context.Context, topic stream.Topic, partition int, offset int64) (stream.Record, error)
}

// Read writes a file's bytes, one chunk in memory, and fails at the end of one that is not what was kept.
func (m Media) Read(ctx context.Context, from chunks, to io.Writer) error {
	sum := sha256.New()
	for n, offset := range m.Offsets {
		r, err := from.At(ctx, stream.Media, m.Partition, offset)
		if err != nil {
			return fmt.Errorf("chunk %d of a file: %w", n, err)
		}
		if string(r.Key) != string(chunkKey(m.Account, m.Blob, n)) {
			return fmt.Errorf("chunk %d of a file is another record", n)
		}
		_, _ = sum.Write(r.Value)
		if _, err := to.Write(r.Value); err != nil {
			return fmt.Errorf("write a file: %w", err)
		}
	}
	if hex.EncodeToString(sum.Sum(nil)) != m.SHA256 {
		return errors.New("a file is not what was kept")
	}
	return nil
}
