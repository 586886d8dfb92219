package broadcast

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"optgate/pipeline/fault"
)

// Resolver gives Meta's id of a medium of the account's library, which it brings to Meta where that is due. A fault.NotFound, where
// there is none, and a fault.Unprocessable, where Meta doesn't want it, stay; every other error may pass.
type Resolver interface {
	Resolve(ctx context.Context, account, channel, id string) (metaID string, err error)
}

// Errors of rows whose message shows a medium that is not in the library, or that Meta takes none of.
const (
	MediaNotFound = "Media Not Found"
	MediaRefused  = "Media Refused"
)

// mediaFresh is how long an id of Meta's is used before it is asked for again: Meta lets go of a file that was deleted here, and
// refuses every message that shows it.
const mediaFresh = 10 * time.Second

// media are the media of the library that a broadcast shows.
type media struct {
	own   []string // in its message; nil: not looked for yet
	found map[string]medium
}

type medium struct {
	id    string // Meta's
	wrong string // the error of rows that show it; "": none
	at    time.Time
	fail  error // it could not be had, for now
}

// needs gives the media that a message shows to everybody.
func (m *media) needs(message Message) []string {
	if m.own == nil {
		m.own = slices.DeleteFunc(library(message.tree), func(id string) bool { return strings.Contains(id, "{{") })
		if m.own == nil {
			m.own = []string{}
		}
	}
	return m.own
}

// kinds of media, as messages and parameters of templates name them.
var mediaKinds = []string{"image", "video", "audio", "document", "sticker"}

// library gives the ids of the library's media that a message shows.
func library(value any) (ids []string) {
	switch v := value.(type) {
	case []any:
		for _, inner := range v {
			ids = append(ids, library(inner)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if id, ok := libraryOf(name, v[name]); ok {
				ids = append(ids, id)
			} else {
				ids = append(ids, library(v[name])...)
			}
		}
	}
	return ids
}

// FilesByParams says whether a parameter names a file of the library that the message shows.
func (m Message) FilesByParams() bool {
	return slices.ContainsFunc(library(m.tree), func(id string) bool { return strings.Contains(id, "{{") })
}

func libraryOf(name string, value any) (id string, ok bool) {
	shown, isObject := value.(map[string]any)
	if !isObject || !slices.Contains(mediaKinds, name) {
		return "", false
	}
	id, ok = shown["library"].(string)
	return id, ok
}

// put writes Meta's ids in place of the library's.
func (m *media) put(value any) {
	switch v := value.(type) {
	case []any:
		for _, inner := range v {
			m.put(inner)
		}
	case map[string]any:
		for name, inner := range v {
			if id, ok := libraryOf(name, inner); ok {
				shown := inner.(map[string]any)
				delete(shown, "library")
				shown["id"] = m.found[id].id
			}
			m.put(inner)
		}
	}
}

// resolve gives a filled message as Meta takes it. wrong is the error of its row; ready is false where its media are on
// their way.
func (r *Runner) resolve(b *run, filled json.RawMessage) (message json.RawMessage, wrong string, ready bool, err error) {
	if r.Media == nil || !bytes.Contains(filled, []byte(`"library"`)) {
		return filled, "", true, nil
	}
	m, err := decodeMessage(filled)
	if err != nil {
		return nil, "", false, err
	}
	ids := library(m.tree)
	if !r.fetched(b, ids) {
		return nil, "", false, nil
	}
	for _, id := range ids {
		if wrong := b.media.found[id].wrong; wrong != "" {
			return nil, wrong, true, nil
		}
	}
	b.media.put(m.tree)
	message, err = json.Marshal(m)
	return message, "", true, err
}

// fetched says that media are there, or are known to be nowhere. Those that are not are fetched meanwhile, which may take a while:
// the other broadcasts go on.
func (r *Runner) fetched(b *run, ids []string) bool {
	if r.Media == nil {
		return true
	}
	now := r.Now()
	missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		have, ok := b.media.found[id]
		return ok && have.fail == nil && now.Sub(have.at) < mediaFresh
	})
	if len(missing) == 0 {
		return true
	}
	failed := slices.ContainsFunc(missing, func(id string) bool {
		have, ok := b.media.found[id]
		return ok && have.fail != nil && now.Sub(have.at) < mediaAgain
	})
	if b.busy || failed {
		return false
	}
	account, channel := b.Account, b.Channel
	r.background(b, func(ctx context.Context) func() {
		found := map[string]medium{}
		for _, id := range missing {
			meta, err := r.Media.Resolve(ctx, account, channel, id)
			one := medium{id: meta}
			switch kind := fault.KindOf(err); {
			case err == nil:
			case kind == fault.NotFound:
				one.wrong = MediaNotFound
			case kind == fault.Unprocessable:
				one.wrong = MediaRefused
			default:
				one.fail = err
			}
			one.at = r.Now()
			if found[id] = one; one.fail != nil {
				r.Logger.Warn().Int("shard", r.Shard).Str("broadcast", b.ID).Err(err).Msg("a medium can't be had: its messages wait")
			}
		}
		return func() {
			if b.media.found == nil {
				b.media.found = map[string]medium{}
			}
			maps.Copy(b.media.found, found)
		}
	})
	return false
}

// mediaAgain is how long a medium is left alone that could not be had.
const mediaAgain = 5 * time.Second
