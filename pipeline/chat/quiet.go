package chat

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a container may have none of its own, and nobody is to be woken for that

	"github.com/nyaruka/phonenumbers"
)

// Quiet is the hours of a day in which nothing is sent, by the clock of the recipient or of one zone.
type Quiet struct {
	From int    `json:"from"`           // minute of the day at which they begin
	To   int    `json:"to"`             // minute of the day at which they end; before From: on the next day
	Zone string `json:"zone,omitempty"` // of IANA; "": each recipient's own, by the phone number
}

// Clock is what somebody's clock may show: one zone, or several where numbers like this one are used in several.
type Clock struct {
	Name  string // the names of the zones, with commas
	zones []*time.Location
}

// Clocks finds people's clocks and remembers them, for one goroutine at a time. The zero Clocks is empty.
type Clocks struct {
	byName map[string]*Clock
}

// errNoZone says that a name is none of IANA's. "Local" is the machine's own, which is nobody's.
var errNoZone = errors.New("is no time zone of IANA's")

// Zone gives the clock of one zone, as Europe/London; an error where there is none of that name.
func (c *Clocks) Zone(name string) (*Clock, error) {
	if name == "" || name == time.Local.String() {
		return nil, errNoZone
	}
	if clock := c.clock([]string{name}); clock != nil {
		return clock, nil
	}
	return nil, errNoZone
}

// Of gives a person's clock: by the prefix of the phone number, else by the country that a BSUID begins with, else by that
// of the channel, else UTC.
func (c *Clocks) Of(to Identifier, country string) *Clock {
	switch to.Kind() {
	case KindPhone:
		if clock := c.prefix(to.Value()); clock != nil {
			return clock
		}
	case KindBSUID:
		if own, _, ok := strings.Cut(to.Value(), "."); ok {
			if clock := c.country(own); clock != nil {
				return clock
			}
		}
	}
	if clock := c.country(country); clock != nil {
		return clock
	}
	return c.clock([]string{"UTC"})
}

// For gives the clock that quiet hours of a message to somebody go by.
func (c *Clocks) For(q Quiet, to Identifier, country string) *Clock {
	if q.Zone != "" {
		if clock, err := c.Zone(q.Zone); err == nil {
			return clock
		}
	}
	return c.Of(to, country)
}

func (c *Clocks) country(name string) *Clock {
	code := phonenumbers.GetCountryCodeForRegion(strings.ToUpper(name))
	if code == 0 {
		return nil
	}
	return c.prefix(strconv.Itoa(code))
}

// prefix gives the clock of numbers that begin so; nil where none is known.
func (c *Clocks) prefix(digits string) *Clock {
	names, err := phonenumbers.GetTimezonesForPrefix(digits)
	if err != nil || len(names) == 0 || names[0] == phonenumbers.UNKNOWN_TIMEZONE {
		return nil
	}
	return c.clock(names)
}

// clock gives the clock of some zones; nil where none of them is known.
func (c *Clocks) clock(names []string) *Clock {
	name := names[0]
	if len(names) > 1 {
		name = strings.Join(names, ",")
	}
	if known, ok := c.byName[name]; ok {
		return known
	}
	found := &Clock{Name: name}
	for _, one := range names {
		if zone, err := time.LoadLocation(one); err == nil {
			found.zones = append(found.zones, zone)
		}
	}
	if len(found.zones) == 0 {
		return nil
	}
	if c.byName == nil {
		c.byName = map[string]*Clock{}
	}
	c.byName[name] = found
	return found
}

// farOff is how far ahead an hour is looked for that suits all zones of a clock.
const farOff = 48 * time.Hour

// Opens gives the first time from now on at which it is quiet in no zone of a clock: now itself where it isn't. Where the
// zones lie so far apart that no hour suits them all, the one in their middle counts.
func (q Quiet) Opens(c *Clock, now time.Time) time.Time {
	if q.From == q.To {
		return now
	}
	if t, ok := q.opens(c.zones, now); ok {
		return t
	}
	zones := slices.SortedFunc(slices.Values(c.zones), func(a, b *time.Location) int {
		_, x := now.In(a).Zone()
		_, y := now.In(b).Zone()
		return x - y
	})
	t, _ := q.opens(zones[len(zones)/2:][:1], now)
	return t
}

func (q Quiet) opens(zones []*time.Location, now time.Time) (time.Time, bool) {
	for t := now; t.Sub(now) < farOff; {
		latest := t
		for _, zone := range zones {
			if end, quiet := q.ends(t.In(zone)); quiet && end.After(latest) {
				latest = end
			}
		}
		if latest.Equal(t) {
			return t, true
		}
		t = latest
	}
	return now.Add(farOff), false
}

// ends gives when the quiet hours are over that a local time lies in, by what the clock on the wall shows: in a night whose
// clocks are changed they are longer or shorter.
func (q Quiet) ends(local time.Time) (end time.Time, quiet bool) {
	year, month, day := local.Date()
	minute := local.Hour()*60 + local.Minute()
	switch {
	case q.From < q.To && (minute < q.From || minute >= q.To), q.From > q.To && minute >= q.To && minute < q.From:
		return local, false
	case q.From > q.To && minute >= q.From:
		day++
	}
	end = time.Date(year, month, day, q.To/60, q.To%60, 0, 0, local.Location())
	switch shown, wanted := end.Hour()*60+end.Minute(), q.To%(24*60); { // they differ where the clock is put forward over that time
	case shown > wanted:
		end, _ = end.ZoneBounds()
	case shown < wanted:
		_, end = end.ZoneBounds()
	}
	return end, true
}
