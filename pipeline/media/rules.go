package media

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// The kinds of commands that this package folds. All go to the account's shard.
const (
	CommandBegin    = "media.begin"    // a file begins to come
	CommandAdd      = "media.add"      // it has come
	CommandDrop     = "media.drop"     // it will not
	CommandDelete   = "media.delete"   // it is no longer wanted
	CommandUploaded = "media.uploaded" // Meta has a copy
	CommandRemoved  = "media.removed"  // Meta has it no longer
)

// Codes of refusals.
const (
	CodeNotFound = "media_not_found"
	CodeLate     = "media_too_slow"
	CodeFull     = "library_full"
)

// Rules gives the folds of the library.
func Rules() shard.Rules {
	return shard.Rules{
		CommandBegin:    fold(func(_ *body, k keys) []string { return []string{k.upload} }, applyBegin),
		CommandAdd:      fold(func(_ *body, k keys) []string { return []string{k.media, k.upload, k.tally} }, applyAdd),
		CommandDrop:     fold(func(_ *body, k keys) []string { return []string{k.upload} }, applyDrop),
		CommandDelete:   fold(func(_ *body, k keys) []string { return []string{k.media, k.tally} }, applyDelete),
		CommandUploaded: fold(func(_ *body, k keys) []string { return []string{k.media, k.copies} }, applyUploaded),
		CommandRemoved:  fold(func(_ *body, k keys) []string { return []string{k.copies} }, applyRemoved),
	}
}

// body is the body of all of them; each uses what it needs.
type body struct {
	ID      string   `json:"id,omitempty"`   // of the file
	Blob    string   `json:"blob,omitempty"` // of its bytes
	Name    string   `json:"name,omitempty"`
	Content *Content `json:"content,omitempty"`
	Channel string   `json:"channel,omitempty"`
	Upload  *Upload  `json:"upload,omitempty"`
	IDs     []string `json:"ids,omitempty"`    // of copies at Meta
	Answer  bool     `json:"answer,omitempty"` // somebody waits
}

// keys are those of the states that a command may touch.
type keys struct{ media, upload, copies, tally string }

func keysOf(c shard.Command, b *body) keys {
	return keys{Key(c.Account, b.ID), uploadKey(c.Account, b.Blob), copiesKey(c.Account, b.Blob), tallyKey(c.Account)}
}

func fold(touches func(*body, keys) []string, apply func(*shard.Turn, shard.Command, *body, keys) error) shard.Fold {
	read := func(p shard.Place, c shard.Command) (*body, keys, error) {
		b, err := shard.Body[body](c)
		if err != nil {
			return nil, keys{}, err
		}
		if c.Account == "" || p.Shards.Account(c.Account) != p.Shard {
			return nil, keys{}, errors.New("a library's command in a shard that isn't its own")
		}
		if strings.Contains(b.ID+b.Blob, "/") {
			return nil, keys{}, errors.New("a name with a slash")
		}
		return b, keysOf(c, b), nil
	}
	return shard.Fold{
		Keys: func(p shard.Place, c shard.Command) ([]string, error) {
			b, k, err := read(p, c)
			if err != nil {
				return nil, err
			}
			touched := touches(b, k)
			if c.Kind == CommandDelete { // its copies lie under a name that only its state knows
				touched = append(touched, copiesKey(c.Account, b.ID))
			}
			if b.Answer {
				touched = append(touched, shard.AnswerKey(c.ID))
			}
			return touched, nil
		},
		Apply: func(t *shard.Turn, c shard.Command) error {
			b, k, err := read(t.Place, c)
			if err != nil {
				return err
			}
			return apply(t, c, b, k)
		},
	}
}

// pending is the state of a file that is on its way: "upload/<account>/<blob>".
type pending struct {
	V    int   `json:"v"`
	Made int64 `json:"made"`
}

// tally is the state of how much an account's library holds: "library/<account>".
type tally struct {
	V     int   `json:"v"`
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Blob names the bytes of a file that is on its way.
type Blob struct{ Account, Name string }

// Added is the value of the answer to a media.add.
type Added struct {
	Media   Media `json:"media"`
	Existed bool  `json:"existed"` // the same bytes were there before
}

func applyBegin(t *shard.Turn, c shard.Command, b *body, k keys) error {
	if err := t.Put(k.upload, pending{V: stream.Version, Made: c.Made}); err != nil {
		return err
	}
	return answer(t, c, b, shard.Answer{OK: true})
}

// applyAdd adds a file whose bytes are all there. The same bytes once more keep their place, and get the new name.
func applyAdd(t *shard.Turn, c shard.Command, b *body, k keys) error {
	if b.Content == nil || b.Content.Blob != b.Blob || b.ID == "" {
		return errors.New("a file without its content")
	}
	var m Media
	known, err := t.Get(k.media, &m)
	if err != nil {
		return err
	}
	if known && m.Blob == b.Blob { // the command is repeated
		return answer(t, c, b, shard.Answer{OK: true, Value: Added{m, false}})
	}
	var on pending
	if there, err := t.Get(k.upload, &on); err != nil || !there {
		if err == nil {
			drop(t, c, b.Blob)
			err = answer(t, c, b, shard.Answer{Code: CodeLate, Msg: "The file took too long to come, and was given up. Send it again."})
		}
		return err
	}
	t.Delete(k.upload)
	if known {
		drop(t, c, b.Blob)
		if b.Name != "" {
			m.Name = b.Name
		}
		if err := t.Put(k.media, m); err != nil {
			return err
		}
		return answer(t, c, b, shard.Answer{OK: true, Value: Added{m, true}})
	}
	var holds tally
	if _, err := t.Get(k.tally, &holds); err != nil {
		return err
	}
	if holds.Files >= MaxFiles || holds.Bytes+b.Content.Size > MaxBytes {
		drop(t, c, b.Blob)
		return answer(t, c, b, shard.Answer{Code: CodeFull, Msg: "The library holds as much as it may: 10,000 files and 20 GiB. Delete what is no longer needed."})
	}
	m = Media{V: stream.Version, ID: b.ID, Account: c.Account, Name: b.Name, Content: *b.Content, Added: c.Made}
	if err := t.Put(k.media, m); err != nil {
		return err
	}
	if err := t.Put(k.tally, tally{V: stream.Version, Files: holds.Files + 1, Bytes: holds.Bytes + m.Size}); err != nil {
		return err
	}
	return answer(t, c, b, shard.Answer{OK: true, Value: Added{m, false}})
}

// applyDrop gives up a file that did not come to its end.
func applyDrop(t *shard.Turn, c shard.Command, b *body, k keys) error {
	var on pending
	if there, err := t.Get(k.upload, &on); err != nil || !there { // it has come, or is dropped already
		return err
	}
	t.Delete(k.upload)
	drop(t, c, b.Blob)
	return nil
}

// applyDelete forgets a file at once, and notes what Meta has of it still.
func applyDelete(t *shard.Turn, c shard.Command, b *body, k keys) error {
	var m Media
	known, err := t.Get(k.media, &m)
	if err != nil {
		return err
	}
	if !known {
		return answer(t, c, b, shard.Answer{Code: CodeNotFound, Msg: "There is no such file."})
	}
	var holds tally
	if _, err := t.Get(k.tally, &holds); err != nil {
		return err
	}
	if err := t.Put(k.tally, tally{V: stream.Version, Files: holds.Files - 1, Bytes: holds.Bytes - m.Size}); err != nil {
		return err
	}
	t.Delete(k.media)
	drop(t, c, m.Blob)
	if copies := m.copies(); len(copies) > 0 {
		key := copiesKey(c.Account, m.ID)
		gone := Copies{V: stream.Version, Account: c.Account, Name: m.ID, Uploads: map[string]Copy{}}
		if _, err := t.Get(key, &gone); err != nil { // of a former file of the same bytes
			return err
		}
		maps.Copy(gone.Uploads, copies)
		if err := t.Put(key, gone); err != nil {
			return err
		}
	}
	return answer(t, c, b, shard.Answer{OK: true})
}

// applyUploaded notes Meta's id. Of a file that is gone meanwhile it is one more copy to remove.
func applyUploaded(t *shard.Turn, c shard.Command, b *body, k keys) error {
	if b.Upload == nil || b.Upload.ID == "" {
		return errors.New("an upload without Meta's id")
	}
	var m Media
	known, err := t.Get(k.media, &m)
	if err != nil {
		return err
	}
	if known && m.Blob == b.Blob {
		m.note(b.Channel, *b.Upload)
		return t.Put(k.media, m)
	}
	gone := Copies{V: stream.Version, Account: c.Account, Name: b.Blob, Uploads: map[string]Copy{}}
	if _, err := t.Get(k.copies, &gone); err != nil {
		return err
	}
	gone.Uploads[b.Upload.ID] = Copy{b.Channel, b.Upload.At}
	return t.Put(k.copies, gone)
}

func applyRemoved(t *shard.Turn, _ shard.Command, b *body, k keys) error {
	var gone Copies
	if known, err := t.Get(k.copies, &gone); err != nil || !known {
		return err
	}
	for id := range gone.Uploads {
		if slices.Contains(b.IDs, id) {
			delete(gone.Uploads, id)
		}
	}
	if len(gone.Uploads) == 0 {
		t.Delete(k.copies)
		return nil
	}
	return t.Put(k.copies, gone)
}

func answer(t *shard.Turn, c shard.Command, b *body, a shard.Answer) error {
	if !b.Answer {
		return nil
	}
	return t.Answer(c, a)
}

// drop says a tombstone for every chunk that a blob may have.
func drop(t *shard.Turn, c shard.Command, blob string) {
	at := partitionOf(t.Shards, blob)
	for n := range maxChunks {
		t.Send(&stream.Record{Topic: stream.Media, Partition: at, Key: chunkKey(c.Account, blob, n)})
	}
}
