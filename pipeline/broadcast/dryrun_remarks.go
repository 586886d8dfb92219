package broadcast

import (
	"fmt"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/template"
)

// Codes of what a dry run warns of, besides those of what bars a channel.
const (
	WarnOutside = "outside_window"   // free text goes to people whom only templates reach
	WarnNoHint  = "no_optout_hint"   // the text shows nobody how to end it
	WarnUnknown = "unknown_template" // nobody can tell just now whether there is such a template
	WarnPastEnd = "past_end"         // sending takes longer than until its end
	WarnQuiet   = "quiet_hours"      // are not counted in how long it takes
	WarnTier    = "tier_exceeded"    // more people than the tier leaves
	WarnNobody  = "nobody"           // nothing would be sent
)

// remark warns.
func (r *rehearsal) remark(terms Terms, condition channel.Condition, t *template.Template) {
	plan := r.draft.Plan
	name, language, isTemplate := plan.Message.template()
	if bar := condition.Bars(name, language, terms.Now.UnixMilli()); bar != nil {
		r.warnf(bar.Code, "%s", bar.Reason)
	}
	if r.said.Go == 0 {
		r.warnf(WarnNobody, "Nobody would get it.")
	}
	if !isTemplate && r.said.Outside > 0 && r.Served != nil {
		r.warnf(WarnOutside, "%d of those who would get it have not written in the last 24 hours, and Meta delivers nothing but templates to them. "+
			`Send a template, or to a segment with the condition {"within":24}.`, r.said.Outside)
	}
	if isTemplate && t == nil {
		r.warnf(WarnUnknown, "Nobody can tell just now whether Meta has approved this template. Meta decides when it is sent.")
	}
	if plan.Category == chat.Marketing && (!isTemplate || t != nil) && !terms.Account.Shows(r.lists, shownTexts(plan.Message, t)) {
		r.warnf(WarnNoHint, "The message names no word of the chosen lists and has no opt-out button: say in it how to end it, as \"Reply STOP to opt out\".")
	}
	begins := max(plan.StartsAt, terms.Now.UnixMilli())
	if end := begins + int64(r.said.Seconds)*1000; end > plan.EndsAt {
		r.warnf(WarnPastEnd, "Sending takes about %s, which is %s longer than until its end: who is not reached by then stands as Expired.",
			within(r.said.Seconds), within(int((end-plan.EndsAt)/1000)))
	}
	if plan.Quiet != nil {
		r.warnf(WarnQuiet, "The time that sending takes does not count quiet hours, in which messages wait.")
	}
	if left := r.said.Tier.Left; left != nil && *left < r.said.Tier.Needed {
		r.warnf(WarnTier, "%d people outside of service windows would be written to, and %d may be for now: the others wait until places become free.",
			r.said.Tier.Needed, *left)
	}
}

func (r *rehearsal) warnf(code, format string, args ...any) {
	r.said.Warnings = append(r.said.Warnings, Remark{code, fmt.Sprintf(format, args...)})
}

// shownTexts gives what people are shown: the texts of a message, and those of the template that it fills.
func shownTexts(m Message, t *template.Template) (texts []string) {
	if t != nil {
		texts = append(texts, t.Texts()...)
	}
	var look func(value any)
	look = func(value any) {
		switch v := value.(type) {
		case []any:
			for _, inner := range v {
				look(inner)
			}
		case map[string]any:
			for name, inner := range v {
				if text, ok := inner.(string); ok && shownMembers[name] {
					texts = append(texts, text)
				} else {
					look(inner)
				}
			}
		}
	}
	look(m.tree)
	return texts
}

// shownMembers are the members of messages whose texts people are shown, or send back by a button.
var shownMembers = map[string]bool{
	"body": true, "text": true, "caption": true, "title": true, "description": true, "button": true, "display_text": true, "payload": true,
}
