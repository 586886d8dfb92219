package broadcast

import (
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/csvfile"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// Limits of an uploaded audience.
const (
	MaxUpload    = 1_000_000          // rows of a file, those that are refused or repeated included
	MaxColumns   = 100                // of a file beside the recipient's
	AudienceKept = 7 * 24 * time.Hour // after its upload, or after the last broadcast that used it was forgotten
	MaxUses      = 1000               // broadcasts that use one audience at a time
	MaxAudiences = 1000               // that an account keeps
	MaxKept      = 20_000_000         // rows of all audiences of an account

	maxColumn     = 100     // characters of a column's name
	maxPagesBytes = 1 << 30 // of an audience's pages, as JSON
	shownRefusals = 100     // lines that can't be read, told with the audience itself
)

// Audience is the state of an uploaded audience: key Ref.AudienceKey in shard Ref.Shard. Its pages are kept under the same Ref as
// those of a broadcast, and never change once it is Ready.
type Audience struct {
	V          int               `json:"v"`
	ID         string            `json:"id"`
	Account    string            `json:"account"`
	Channel    string            `json:"channel"` // by whose country its numbers were read
	Status     AudienceStatus    `json:"status"`
	Digest     string            `json:"digest"`  // keyed hash of its pages in their order
	Created    int64             `json:"created"` // ms since 1970
	Heard      int64             `json:"heard"`   // ms since 1970 of its last page, while it is Arriving
	Pages      []int             `json:"pages"`   // number of recipients in each; one that is Going has lost its last ones
	Uses       map[string]int64  `json:"uses,omitempty"`
	Unused     int64             `json:"unused,omitempty"` // ms since 1970 since which no broadcast uses it; 0: one does
	Rows       int               `json:"rows"`             // of the file: recipients, duplicates and refused ones
	Recipients int               `json:"recipients"`       // each of them has a row
	Duplicates int               `json:"duplicates"`
	Invalid    int               `json:"invalid"` // of the recipients: no number and no user id
	Refused    int               `json:"refused"` // lines that can't be read as a row
	Columns    []string          `json:"columns,omitempty"`
	First      []csvfile.Refusal `json:"first,omitempty"` // of the refused lines; all of them stand in the pages
}

// AudienceStatus is where an audience stands.
type AudienceStatus string

// The statuses of audiences. Only one that is Ready is shown to anybody.
const (
	Arriving AudienceStatus = "arriving"
	Ready    AudienceStatus = "ready"
	Going    AudienceStatus = "going" // is being forgotten
)

// AudienceKey is the key of an audience's state.
func (r Ref) AudienceKey() string { return "audience/" + r.String() }

// Ref names the audience, and with it whose its pages are.
func (a Audience) Ref() Ref { return Ref{a.Account, a.ID} }

// AudienceID gives an audience's id: by the client's Idempotency-Key the same one in every repeat, else a chance one.
func AudienceID(key chat.Key, idempotency, chance string) string {
	if idempotency == "" {
		return chance
	}
	return key.Message("audience/" + idempotency)
}

// AudienceUse says that a broadcast is being made whose rows are an audience's, which stays as long as one does. Its answer refuses
// with CodeNoAudience where there is none any more. Its id is the same in every repeat.
func AudienceUse(audience Ref, broadcast string, made int64) (shard.Command, error) {
	return command(audience, audience.ID+".use."+broadcast, KindAudienceUse, made, audienceUse{ID: audience.ID, Broadcast: broadcast})
}

// AudienceRelease gives the record that says that a broadcast no longer needs the audience which holds its rows. Repeats are
// harmless.
func AudienceRelease(n chat.Shards, audience Ref, broadcast string, made int64) (*stream.Record, error) {
	c, err := command(audience, audience.ID+".release."+broadcast, KindAudienceRelease, made, audienceUse{ID: audience.ID, Broadcast: broadcast})
	if err != nil {
		return nil, err
	}
	return c.Record(audience.Shard(n))
}

// AudienceDelete asks to forget an audience that no broadcast uses. id is the command's.
func AudienceDelete(audience Ref, id string, made int64) (shard.Command, error) {
	return command(audience, id, KindAudienceDelete, made, audienceForget{ID: audience.ID})
}

// due says whether an audience may be forgotten: nobody sends the rest of it, or nobody has used it for long.
func (a Audience) due(now int64) bool {
	switch a.Status {
	case Arriving:
		return now-a.Heard >= collecting.Milliseconds()
	case Going:
		return true
	}
	return len(a.Uses) == 0 && now-a.Unused >= AudienceKept.Milliseconds()
}

// Forget gives the next commands by which an audience is forgotten that is due, some pages with each; none: it isn't due.
func (a Audience) Forget(n chat.Shards, now time.Time) (records []*stream.Record, err error) {
	if !a.due(now.UnixMilli()) {
		return nil, nil
	}
	for pages := len(a.Pages); len(records) < forgetsAtOnce; pages = max(0, pages-forgetAtOnce) {
		c, err := command(a.Ref(), a.ID+".forget", KindAudienceForget, now.UnixMilli(), audienceForget{ID: a.ID, Pages: pages})
		if err != nil {
			return nil, err
		}
		record, err := c.Record(a.Ref().Shard(n))
		if err != nil {
			return nil, err
		}
		if records = append(records, record); pages <= forgetAtOnce {
			break
		}
	}
	return records, nil
}

// forgetsAtOnce is how many commands forget an audience at a time, so that its shard has time for others between them.
const forgetsAtOnce = 50
