package sequence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// QuietSet sets quiet hours; nil Hours: none.
type QuietSet struct {
	Hours *chat.Quiet `json:"hours,omitempty"`
}

// form is an object that is being read, with what is wrong in it.
type form struct {
	at      string // before the names of fields
	members map[string]json.RawMessage
	wrong   *[]fault.Field
}

func (f form) say(field, code, detail string) {
	*f.wrong = append(*f.wrong, fault.Field{Field: f.at + field, Code: code, Detail: detail})
}

// members reads an object; false where it is none.
func members(raw []byte) (found map[string]json.RawMessage, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if d.Decode(&found) != nil || found == nil {
		return nil, false
	}
	_, err := d.Token()
	return found, errors.Is(err, io.EOF)
}

// only refuses members that are not known.
func (f form) only(known ...string) {
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		if !slices.Contains(known, name) {
			f.say(name, "unknown_field", "is not known here")
		}
	}
}

// has says that a member is there and not null.
func (f form) has(name string) bool {
	raw, there := f.members[name]
	return there && string(raw) != "null"
}

// text reads a text; "" where it is missing or none.
func (f form) text(name string) (text string) {
	if f.has(name) && json.Unmarshal(f.members[name], &text) != nil {
		f.say(name, "wrong_type", "must be a text")
	}
	return text
}

// number reads a whole number that isn't negative.
func (f form) number(name string) (n int) {
	if f.has(name) && (json.Unmarshal(f.members[name], &n) != nil || n < 0) {
		f.say(name, "out_of_range", "must be a whole number of nought or more")
		return 0
	}
	return n
}

// ParsePlan reads the JSON of a new sequence, and tells every wrong field; the account's channels and lists are not looked at.
// The error is a fault.Invalid where the body is no JSON object.
func ParsePlan(body []byte) (Plan, []fault.Field, error) {
	f, err := open(body)
	if err != nil {
		return Plan{}, nil, err
	}
	f.only("name", "channel", "category", "lists", "quiet_hours", "steps")
	p := Plan{Channel: f.text("channel"), Category: f.text("category")}
	for _, name := range []string{"name", "channel", "category", "lists", "steps"} {
		if !f.has(name) {
			f.say(name, "required", "must be given")
		}
	}
	patch := f.patch()
	patch.apply(&p)
	for i, step := range p.Series {
		if step.No != 0 {
			f.say("steps["+strconv.Itoa(i)+"].id", "unknown_step", "is given by the gateway: leave it out of a new step")
		}
	}
	return p, *f.wrong, nil
}

// ParsePatch reads the JSON of a change: what is not named stays.
func ParsePatch(body []byte) (PlanPatch, []fault.Field, error) {
	f, err := open(body)
	if err != nil {
		return PlanPatch{}, nil, err
	}
	f.only("name", "lists", "quiet_hours", "steps")
	for _, name := range []string{"name", "lists", "steps"} {
		if raw, there := f.members[name]; there && string(raw) == "null" {
			f.say(name, "required", "can't be taken away")
		}
	}
	patch := f.patch()
	return patch, *f.wrong, nil
}

func open(body []byte) (form, error) {
	found, ok := members(body)
	if !ok {
		return form{}, fault.New(fault.Invalid, "invalid_json", "The body must be a JSON object.")
	}
	return form{members: found, wrong: &[]fault.Field{}}, nil
}

func (f form) patch() (p PlanPatch) {
	if f.has("name") {
		name := strings.TrimSpace(f.text("name"))
		if n := utf8.RuneCountInString(name); n == 0 || n > MaxName {
			f.say("name", "out_of_range", fmt.Sprintf("has 1 to %d characters", MaxName))
		} else if strings.ContainsFunc(name, unicode.IsControl) {
			f.say("name", "control_character", "holds a control character")
		}
		p.Name = &name
	}
	if f.has("lists") {
		if json.Unmarshal(f.members["lists"], &p.Lists) != nil {
			f.say("lists", "wrong_type", "must be a list of ids")
		}
		if p.Lists = slices.Compact(slices.Sorted(slices.Values(p.Lists))); p.Lists == nil {
			p.Lists = []string{}
		}
	}
	if _, there := f.members["quiet_hours"]; there {
		p.Quiet = &QuietSet{Hours: f.quiet("quiet_hours")}
	}
	if f.has("steps") {
		p.Series = f.series()
	}
	return p
}

func (f form) quiet(name string) *chat.Quiet {
	if !f.has(name) {
		return nil
	}
	found, ok := members(f.members[name])
	inner := form{at: f.at + name + ".", members: found, wrong: f.wrong}
	if !ok {
		f.say(name, "wrong_type", `must be as {"from":"21:00","to":"08:00"}`)
		return nil
	}
	inner.only("from", "to", "zone")
	q := &chat.Quiet{Zone: inner.zone("zone")}
	q.From, q.To = inner.hour("from"), inner.hour("to")
	if q.From == q.To && inner.has("from") && inner.has("to") {
		inner.say("to", "out_of_range", "must be another time of day than they begin at")
	}
	return q
}

// hour reads a time of day as "09:00", as the minute of the day.
func (f form) hour(name string) int {
	text := f.text(name)
	hours, minutes, ok := strings.Cut(text, ":")
	h, err1 := strconv.ParseUint(hours, 10, 8)
	m, err2 := strconv.ParseUint(minutes, 10, 8)
	if !ok || len(hours) < 1 || len(hours) > 2 || len(minutes) != 2 || err1 != nil || err2 != nil || h > 23 || m > 59 {
		f.say(name, "not_an_hour", `must be a time of day as "09:00"`)
		return 0
	}
	return int(h)*60 + int(m)
}

// zone reads the name of a time zone, or "recipient" for each one's own, which is the default.
func (f form) zone(name string) string {
	zone := f.text(name)
	if zone == "" || zone == "recipient" {
		return ""
	}
	var clocks chat.Clocks
	if _, err := clocks.Zone(zone); err != nil {
		f.say(name, "unknown_zone", `is a zone as "Europe/London", or "recipient"`)
	}
	return zone
}

func (f form) series() (steps []Step) {
	var given []json.RawMessage
	if json.Unmarshal(f.members["steps"], &given) != nil || len(given) == 0 || len(given) > MaxSteps {
		f.say("steps", "out_of_range", fmt.Sprintf("must be a list of 1 to %d steps", MaxSteps))
		return []Step{}
	}
	seen := map[int]bool{}
	for i, raw := range given {
		at := "steps[" + strconv.Itoa(i) + "]"
		found, ok := members(raw)
		if !ok {
			f.say(at, "wrong_type", "must be an object")
			continue
		}
		inner := form{at: at + ".", members: found, wrong: f.wrong}
		step := inner.step()
		if step.No != 0 && seen[step.No] {
			inner.say("id", "duplicate", "stands at an earlier step too")
		}
		seen[step.No] = true
		steps = append(steps, step)
	}
	return steps
}

func (f form) step() (s Step) {
	f.only("id", "message", "after", "at", "zone", "category")
	s.No, s.Category = f.number("id"), f.text("category")
	if !knownCategory(s.Category) && s.Category != "" {
		f.say("category", "unknown_category", categories)
	}
	if f.has("message") {
		m, wrong := broadcast.ParseMessage(f.members["message"])
		for _, w := range wrong {
			f.say(w.Field, w.Code, w.Detail)
		}
		if m.FilesByParams() {
			f.say("message", "file_by_parameter", "names its file by a parameter, which a step can't: give the file's id, or a link")
		}
		s.Message = m
	} else {
		f.say("message", "required", "must be given")
	}
	s.After = f.delay()
	if f.has("at") {
		at := f.hour("at")
		s.At, s.Zone = &at, f.zone("zone")
	} else if f.has("zone") {
		f.say("zone", "out_of_place", "belongs to at, which is missing")
	}
	return s
}

func (f form) delay() (d Delay) {
	if !f.has("after") {
		f.say("after", "required", `must be given, as {"days":1}; {"minutes":0} for at once`)
		return d
	}
	found, ok := members(f.members["after"])
	inner := form{at: f.at + "after.", members: found, wrong: f.wrong}
	if !ok || len(found) == 0 {
		f.say("after", "wrong_type", `must be as {"minutes":10}, {"hours":2} or {"days":1}`)
		return d
	}
	inner.only("minutes", "hours", "days")
	d = Delay{Minutes: inner.number("minutes"), Hours: inner.number("hours"), Days: inner.number("days")}
	if d.Minutes > MaxDelay || d.Hours > MaxDelay/60 || d.Days > MaxDelay/1440 || d.Time().Minutes() > MaxDelay {
		f.say("after", "out_of_range", fmt.Sprintf("at most %d days", MaxDelay/1440))
		return Delay{}
	}
	return d
}

const categories = "must be marketing, utility, authentication or service"

func knownCategory(category string) bool {
	switch category {
	case chat.Marketing, chat.Utility, chat.Authentication, chat.Service:
		return true
	}
	return false
}
