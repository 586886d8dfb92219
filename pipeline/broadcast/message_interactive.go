package broadcast

import (
	"fmt"
	"slices"
)

// Limits of interactive messages, by Meta.
const (
	maxHeader      = 60
	maxPrompt      = 1024 // the body
	maxFooter      = 60
	maxButtons     = 3
	maxButtonID    = 256
	maxButton      = 20 // what stands on one
	maxSections    = 10
	maxRows        = 10 // of all sections
	maxRowID       = 200
	maxRowTitle    = 24 // of a section too
	maxDescription = 72
)

// asTheyAre are the kinds of interactive messages that have an action of their own, which is Meta's to judge.
func asTheyAre() []string {
	return []string{
		"location_request_message", "flow", "address_message", "product", "product_list", "catalog_message", "carousel",
		"call_permission_request",
	}
}

func (i *inspection) interactive(tree map[string]any) {
	m, ok := i.object(tree, "message", "interactive")
	if !ok {
		return
	}
	const field = "message.interactive"
	action, _ := m["action"].(map[string]any)
	if action == nil {
		i.say(field+".action", "required", "must be an object")
	}
	most := maxPrompt
	switch kind, _ := m["type"].(string); {
	case kind == "button":
		i.buttons(action, field+".action")
	case kind == "list":
		most = maxBody
		i.menu(action, field+".action")
	case kind == "cta_url":
		i.callToAction(action, field+".action")
	case slices.Contains(asTheyAre(), kind):
		if m["body"] == nil {
			return
		}
		most = maxBody
	default:
		i.say(field+".type", "unsupported", "must be button, list, cta_url or another kind of interactive message that the Cloud API has")
		return
	}
	if body, ok := i.object(m, field, "body"); ok {
		i.text(body, field+".body", "text", most)
	}
	if footer, there := m["footer"]; there && footer != nil {
		if footer, ok := i.object(m, field, "footer"); ok {
			i.text(footer, field+".footer", "text", maxFooter)
		}
	}
	if header, there := m["header"]; there && header != nil {
		i.header(m, field)
	}
}

func (i *inspection) header(m map[string]any, field string) {
	header, ok := i.object(m, field, "header")
	if !ok {
		return
	}
	field += ".header"
	kind, _ := header["type"].(string)
	switch {
	case kind == "text":
		i.text(header, field, "text", maxHeader)
	case m["type"] == "list":
		i.say(field+".type", "unsupported", "must be text in a list")
	case kind == "image", kind == "video", kind == "document":
		if medium, ok := i.object(header, field, kind); ok {
			i.medium(medium, field+"."+kind)
		}
	case m["type"] == "button", m["type"] == "cta_url":
		i.say(field+".type", "unsupported", "must be text, image, video or document")
	}
}

func (i *inspection) buttons(action map[string]any, field string) {
	if action == nil {
		return
	}
	ids, titles := map[string]bool{}, map[string]bool{}
	i.list(action, field, "buttons", maxButtons, func(button map[string]any, field string) {
		if button["type"] != "reply" {
			i.say(field+".type", "unsupported", "must be reply")
		}
		if reply, ok := i.object(button, field, "reply"); ok {
			i.once(ids, i.text(reply, field+".reply", "id", maxButtonID), field+".reply.id")
			i.once(titles, i.text(reply, field+".reply", "title", maxButton), field+".reply.title")
		}
	})
}

func (i *inspection) menu(action map[string]any, field string) {
	if action == nil {
		return
	}
	i.text(action, field, "button", maxButton)
	rows, ids := 0, map[string]bool{}
	sections, _ := action["sections"].([]any)
	i.list(action, field, "sections", maxSections, func(section map[string]any, field string) {
		if len(sections) > 1 {
			i.text(section, field, "title", maxRowTitle)
		} else {
			i.option(section, field, "title", maxRowTitle)
		}
		i.list(section, field, "rows", 0, func(row map[string]any, field string) {
			rows++
			i.once(ids, i.text(row, field, "id", maxRowID), field+".id")
			i.text(row, field, "title", maxRowTitle)
			i.option(row, field, "description", maxDescription)
		})
	})
	if rows > maxRows {
		i.say(field+".sections", "too_many", fmt.Sprintf("at most %d rows in all sections", maxRows))
	}
}

func (i *inspection) callToAction(action map[string]any, field string) {
	if action == nil {
		return
	}
	if action["name"] != "cta_url" {
		i.say(field+".name", "invalid", "must be cta_url")
	}
	if parameters, ok := i.object(action, field, "parameters"); ok {
		i.text(parameters, field+".parameters", "display_text", maxButton)
		i.link(parameters, field+".parameters", "url")
	}
}

// once tells of a text that stands in the message for the second time, where each has to be another.
func (i *inspection) once(seen map[string]bool, text, field string) {
	if text != "" && seen[text] {
		i.say(field, "not_unique", "stands in the message twice")
	}
	seen[text] = true
}
