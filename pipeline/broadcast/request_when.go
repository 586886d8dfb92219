package broadcast

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/optout"
)

// MaxStart is how far ahead a broadcast can be planned.
const MaxStart = 30 * 24 * time.Hour

// Bounds of a broadcast's own rate, in messages a second: far beyond what is of any use, and what can be reckoned with.
const (
	minRate = 0.001
	maxRate = 100_000
)

// when reads when and how fast a broadcast is sent, and who is told.
func (f *form) when(r *Request) {
	r.StartsAt, r.EndsAt = f.time("starts_at"), f.time("ends_at")
	if raw, there := f.members["quiet_hours"]; there {
		r.Quiet = f.quiet(raw)
	}
	if raw, there := f.members["messages_per_second"]; there {
		if json.Unmarshal(raw, &r.Rate) != nil || r.Rate < minRate || r.Rate > maxRate {
			f.say("messages_per_second", "out_of_range", fmt.Sprintf("must be a number from %v to %d", minRate, maxRate))
			r.Rate = 0
		}
	}
	if raw, there := f.members["webhook_url"]; there {
		if json.Unmarshal(raw, &r.WebhookURL) != nil {
			f.say("webhook_url", "invalid", "must be a text")
		} else if wrong := optout.WebhookURL(r.WebhookURL); wrong != nil {
			f.say(wrong.Field, wrong.Code, wrong.Detail)
		}
	}
}

// time reads a time that may be missing.
func (f *form) time(name string) (at time.Time) {
	if raw, there := f.members[name]; there && json.Unmarshal(raw, &at) != nil {
		f.say(name, "invalid", "must be a time as 2026-11-22T10:00:00Z")
		return time.Time{}
	}
	return at
}

// quiet reads {"from":"21:00","to":"08:00","zone":""}.
func (f *form) quiet(raw json.RawMessage) *chat.Quiet {
	var given struct {
		From string `json:"from"`
		To   string `json:"to"`
		Zone string `json:"zone"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&given); err != nil {
		f.say("quiet_hours", "invalid", `must be as {"from":"21:00","to":"08:00","zone":"Europe/London"}; without zone it is each recipient's own`)
		return nil
	}
	q := &chat.Quiet{From: f.minute("quiet_hours.from", given.From), To: f.minute("quiet_hours.to", given.To)}
	if q.From == q.To && q.From >= 0 {
		f.say("quiet_hours.to", "invalid", "must be another hour than from: nothing would be left to send in")
	}
	if q.Zone = given.Zone; q.Zone == "" {
		return q
	}
	if _, err := new(chat.Clocks).Zone(q.Zone); err != nil {
		f.say("quiet_hours.zone", "unknown_zone", "must be a time zone as Europe/London, or be left out for each recipient's own")
	}
	return q
}

// minute reads an hour of the day; below 0: it is none.
func (f *form) minute(field, text string) int {
	at, err := time.Parse("15:04", text)
	if err != nil {
		f.say(field, "invalid", "must be an hour of the day, as 21:00")
		return -1
	}
	return at.Hour()*60 + at.Minute()
}

// times gives when a request's broadcast begins, in ms since 1970 or 0 for at once, and when it ends.
func (t Terms) times(r Request, say func(field, code, detail string)) (starts int64, ends time.Time) {
	from := t.Now
	if !r.StartsAt.IsZero() {
		if !r.StartsAt.After(t.Now) || r.StartsAt.After(t.Now.Add(MaxStart)) {
			say("starts_at", "out_of_range", fmt.Sprintf("must lie in the next %d days; without it the broadcast begins at once", int(MaxStart.Hours()/24)))
		}
		from, starts = r.StartsAt, r.StartsAt.UnixMilli()
	}
	if r.EndsAt.IsZero() {
		return starts, from.Add(DefaultEnd)
	}
	if !r.EndsAt.After(from) || r.EndsAt.After(from.Add(MaxEnd)) {
		say("ends_at", "out_of_range", fmt.Sprintf("must lie in the %d hours after its start", int(MaxEnd/time.Hour)))
	}
	return starts, r.EndsAt
}

// source gives where a request's rows come from, if not from itself.
func (t Terms) source(r Request, say func(field, code, detail string)) (s Source) {
	switch {
	case r.Upload != "" && (t.Upload == nil || t.Upload.Status != Ready):
		say("audience.upload", CodeNoAudience, "is no audience of this account that was uploaded whole")
	case r.Upload != "":
		s.Upload = r.Upload
		own, known := t.Directory.Channel(t.Account.ID, r.Channel)
		if read, _ := t.Directory.Channel(t.Account.ID, t.Upload.Channel); known && read.DefaultCountry != own.DefaultCountry {
			say("audience.upload", "other_country", "was read by another country's way of writing numbers: upload it for this channel")
		}
	case r.Segment != "" && t.Segment == nil:
		say("audience.segment", "unknown_segment", "is no segment of this account")
	case r.Segment != "":
		s.Segment = t.Segment
	}
	return s
}
