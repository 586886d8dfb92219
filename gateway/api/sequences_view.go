package api

import (
	"fmt"
	"strconv"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/sequence"
)

// sequenceView is a sequence as the API shows it.
type sequenceView struct {
	ID          string                    `json:"id"`
	Name        string                    `json:"name"`
	Status      sequence.Status           `json:"status"`
	Channel     string                    `json:"channel"`
	Category    string                    `json:"category"`
	Lists       []string                  `json:"lists"`
	Quiet       *quietView                `json:"quiet_hours"`
	Steps       []stepView                `json:"steps"`
	Subscribers map[sequence.Standing]int `json:"subscribers"`
	Totals      map[string]int            `json:"totals"`
	ByStep      map[string]map[string]int `json:"step_totals"`
	Created     string                    `json:"created_at"`
	Changed     string                    `json:"changed_at"`
	Ended       *string                   `json:"ended_at"`
}

// quietView is quiet hours as they are written.
type quietView struct {
	From string `json:"from"`
	To   string `json:"to"`
	Zone string `json:"zone"`
}

type stepView struct {
	ID       int               `json:"id"`
	Message  broadcast.Message `json:"message"`
	After    afterView         `json:"after"`
	At       *string           `json:"at"`
	Zone     *string           `json:"zone"`
	Category *string           `json:"category"`
}

// afterView is a delay as a request may have it: at least one of its parts is there.
type afterView struct {
	Minutes *int `json:"minutes,omitempty"`
	Hours   int  `json:"hours,omitempty"`
	Days    int  `json:"days,omitempty"`
}

func viewDelay(d sequence.Delay) afterView {
	v := afterView{Hours: d.Hours, Days: d.Days}
	if d.Minutes > 0 || d == (sequence.Delay{}) {
		v.Minutes = &d.Minutes
	}
	return v
}

// eachOwn is how a zone is written that is each recipient's own.
const eachOwn = "recipient"

func viewSequence(q sequence.Sequence, sums sequence.Sums) sequenceView {
	v := sequenceView{
		ID: q.ID, Name: q.Name, Status: q.Status, Channel: q.Channel, Category: q.Category, Lists: q.Lists, Steps: make([]stepView, len(q.Series)),
		Subscribers: map[sequence.Standing]int{}, Totals: map[string]int{}, ByStep: map[string]map[string]int{},
		Created: instant(q.Created), Changed: instant(q.Changed),
	}
	if q.Quiet != nil {
		v.Quiet = &quietView{hourOf(q.Quiet.From), hourOf(q.Quiet.To), zoneOf(q.Quiet.Zone)}
	}
	if q.Ended != 0 {
		ended := instant(q.Ended)
		v.Ended = &ended
	}
	for i, s := range q.Series {
		v.Steps[i] = stepView{ID: s.No, Message: s.Message, After: viewDelay(s.After)}
		if s.At != nil {
			at, zone := hourOf(*s.At), zoneOf(s.Zone)
			v.Steps[i].At, v.Steps[i].Zone = &at, &zone
		}
		if s.Category != "" {
			v.Steps[i].Category = &s.Category
		}
		v.ByStep[strconv.Itoa(s.No)] = map[string]int{}
	}
	for _, standing := range []sequence.Standing{sequence.Waiting, sequence.Done, sequence.Unsubscribed, sequence.Stopped} {
		v.Subscribers[standing] = 0
	}
	for standing, n := range sums.People {
		v.Subscribers[shownStanding(q, standing)] += n
	}
	for _, status := range rowStatuses {
		v.Totals[lower(status)] = sums.Status(status)
		v.Totals["rows"] += sums.Status(status)
	}
	for step, by := range sums.Steps {
		counts := map[string]int{}
		for status, n := range by {
			counts[lower(status)] = n
		}
		v.ByStep[strconv.Itoa(step)] = counts
	}
	return v
}

func hourOf(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

func zoneOf(zone string) string {
	if zone == "" {
		return eachOwn
	}
	return zone
}

// shownStanding says that who waits in a deleted sequence waits for nothing.
func shownStanding(q sequence.Sequence, s sequence.Standing) sequence.Standing {
	if q.Status == sequence.Deleted && s == sequence.Waiting {
		return sequence.Stopped
	}
	return s
}

var rowStatuses = []chat.Status{
	chat.Queued, chat.Skipped, chat.Sent, chat.Delivered, chat.Read, chat.Failed, chat.Unknown, chat.Cancelled, chat.Expired,
}
