package optout

import (
	"fmt"
	"strings"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// Reason says in one sentence why somebody is held back: the words of reports, refusals and explanations alike. It names
// nobody, so that it may stand wherever facts stand. Where the answer has no cause it tells the list and the channel only.
func Reason(a gate.Answer) string {
	c := a.Cause
	if c == nil {
		c = &gate.Cause{}
	}
	said := []string{"On the list ", a.List, " for channel ", a.Channel}
	switch {
	case a.List == gate.Blacklist:
		said[0], said[1] = "On the ", "blacklist"
	case c.Name != "":
		said[1] = c.Name
	}
	if a.Channel == chat.AnyChannel {
		said[2], said[3] = " for all channels", ""
	}
	if !c.Since.IsZero() {
		said = append(said, " since ", instant(c.Since), ", ", means(c.Source, c.Rule))
	}
	if c.Link != nil {
		said = append(said, ", under another number or id of the person")
		if !c.Link.Since.IsZero() {
			said = append(said, ", linked since ", instant(c.Link.Since), " by ", c.Link.By)
		}
	}
	return strings.Join(said, "") + "."
}

// means says by what an opt-out was made.
func means(source, rule string) string {
	switch {
	case source == SourceMessage && rule != "":
		return fmt.Sprintf("by the word %q", rule)
	case source == SourceSalvage && rule != "":
		return fmt.Sprintf("by the word %q in a message that could not be decoded", rule)
	case source == SourceMeta && rule == RuleStoppedMarketing:
		return "told by Meta's error " + rule
	case source == SourceMeta:
		return "by the switch inside WhatsApp"
	case source == SourceAPI:
		return "by API"
	case source == SourceImport:
		return "by an import"
	case source == SourceLink:
		return "by an unsubscribe link"
	}
	return "by " + source
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Cause tells how the person's entry came to bar; nil where it doesn't. name is the list's, for people.
func (p Person) Cause(list, channel, name string) *gate.Cause {
	e := p.Entry(list, channel)
	if !e.Barred() {
		return nil
	}
	c := &gate.Cause{Name: name, Since: moment(e.Out), Source: e.Source, Rule: e.Rule}
	if e.Via == 0 {
		return c
	}
	c.Link = &gate.Link{From: e.Via}
	for _, l := range p.Links {
		if l.P == e.Via {
			c.Link.Since, c.Link.By = moment(l.Since), l.By
		}
	}
	return c
}
