// Package media is an account's library of files that messages show: it takes them in by what they really are, keeps their
// bytes in chunks of a log, and has each known to Meta once per number. It folds what is known of them.
package media

import (
	"fmt"
	"strconv"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/stream"
)

// NotFound is what a report says of a row whose file is not in the library, or no longer.
const NotFound = "Media Not Found"

// Kind is what a file can be sent as: the type of a message or of a template's header.
type Kind string

// The kinds.
const (
	Image    Kind = "image"
	Video    Kind = "video"
	Audio    Kind = "audio"
	Document Kind = "document"
	Sticker  Kind = "sticker"
)

// Media is the state of a file: "media/<account>/<id>" in the account's shard.
type Media struct {
	V       int               `json:"v"`
	ID      string            `json:"id"`
	Account string            `json:"account"`
	Name    string            `json:"name"` // as its sender calls it; "": not told
	Content                   // what it is
	Added   int64             `json:"added"` // ms since 1970
	Uploads map[string]Upload `json:"uploads,omitempty"`
	Former  map[string]Copy   `json:"former,omitempty"` // that others have replaced, by Meta's id
}

// Content is a file's bytes: what they are, and where they lie.
type Content struct {
	Kind      Kind    `json:"kind"`
	MIME      string  `json:"mime_type"`
	Animated  bool    `json:"animated,omitempty"` // of a sticker
	Size      int64   `json:"size"`               // bytes
	SHA256    string  `json:"sha256"`             // hex
	Blob      string  `json:"blob"`               // names its chunks
	Partition int     `json:"partition"`          // of the topic media
	Offsets   []int64 `json:"offsets"`            // of its chunks, in their order
}

// Upload is a file's copy at Meta, by a channel's id.
type Upload struct {
	Number string `json:"number"` // that it was uploaded for: Meta's id of the phone number
	ID     string `json:"id"`     // Meta's
	At     int64  `json:"at"`     // ms since 1970
}

const (
	// Chunk is how many bytes of a file one record holds; the last holds fewer.
	Chunk = 1 << 20
	// MaxFile is the largest file of all kinds, in bytes.
	MaxFile = 100 << 20
	// MaxName bounds a file's name, in characters.
	MaxName = 255
	// maxChunks is how many chunks a file may have; one more may have been written of a file that is too large.
	maxChunks = MaxFile/Chunk + 1

	// uploadGood is how long Meta's id of an upload is used: it ends after 30 days.
	uploadGood = 29 * 24 * time.Hour
	uploadEnds = 30 * 24 * time.Hour

	// WriteTime bounds how long a file may take to come.
	WriteTime = time.Hour
	// Abandoned is how long after its beginning a file that never came to its end is swept.
	Abandoned = 3 * time.Hour

	// MaxFiles bounds an account's library.
	MaxFiles = 10_000
	// MaxBytes does too.
	MaxBytes = 20 << 30
)

// limits are Meta's, by kind, in bytes.
var limits = map[Kind]int64{Image: 5 << 20, Video: 16 << 20, Audio: 16 << 20, Document: MaxFile, Sticker: 100 << 10}

const animatedLimit = 500 << 10

// limit is the largest a file of this content may be.
func (c Content) limit() int64 {
	if c.Animated {
		return animatedLimit
	}
	return limits[c.Kind]
}

func (c Content) tooLarge() error {
	what := string(c.Kind)
	if c.Kind == Sticker {
		what = map[bool]string{false: "static sticker", true: "animated sticker"}[c.Animated]
	}
	return fault.New(fault.TooLarge, "media_too_large", "The file is over %s, which is the most that WhatsApp takes of a file that is sent as %s.", bytesIn(c.limit()), what)
}

func bytesIn(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// ID derives a file's id from its bytes: the same bytes are one file of an account, however often they come.
func ID(key chat.Key, sha256 string) string { return key.Message("media:" + sha256) }

// Key is the key of a file's state.
func Key(account, id string) string { return "media/" + account + "/" + id }

func uploadKey(account, blob string) string { return "upload/" + account + "/" + blob }
func copiesKey(account, blob string) string { return "copies/" + account + "/" + blob }
func tallyKey(account string) string        { return "library/" + account }

// chunkKey is the key of a chunk's record.
func chunkKey(account, blob string, n int) []byte {
	return []byte(account + "/" + blob + "/" + strconv.Itoa(n))
}

// partitionOf gives the partition of media that holds all chunks of a blob.
func partitionOf(n chat.Shards, blob string) int { return stream.Spread(blob, int(n)) }

// Good gives Meta's id of the file for a number, if there is one that is used still.
func (m Media) Good(channel, number string, now time.Time) (id string, ok bool) {
	u := m.Uploads[channel]
	return u.ID, u.ID != "" && u.Number == number && now.UnixMilli() < u.Ends()
}

// Ends is when Meta's id of it is no longer used, in ms since 1970.
func (u Upload) Ends() int64 { return u.At + uploadGood.Milliseconds() }

// Check says what is wrong with a message that shows the file as something; nil: nothing. m is nil for no such file.
func Check(field, as string, m *Media) *fault.Field {
	switch {
	case m == nil:
		return &fault.Field{Field: field, Code: "unknown_media", Detail: "is no file of the account's library; GET /v1/media lists those there are"}
	case string(m.Kind) != as:
		return &fault.Field{Field: field, Code: "wrong_kind", Detail: fmt.Sprintf("is a file that can be sent as %s, not as %s", m.Kind, as)}
	}
	return nil
}
