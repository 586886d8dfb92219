package broadcast

import "strings"

// Limits of templates, by Meta.
const (
	maxTemplateName = 512
	maxCards        = 10
)

// template looks at the shape of a template's use. Which parameters it takes is held against the template itself, where that is
// known.
func (i *inspection) template(tree map[string]any) {
	t, ok := i.object(tree, "message", "template")
	if !ok {
		return
	}
	const field = "message.template"
	i.text(t, field, "name", maxTemplateName)
	language, _ := t["language"].(map[string]any)
	if code, _ := language["code"].(string); code == "" {
		i.say(field+".language.code", "required", "must be a language's code, as en or pt_BR")
	}
	i.components(t, field)
}

// components looks at the components of a template or of a card. There may be none.
func (i *inspection) components(parent map[string]any, field string) {
	components, there := parent["components"]
	if !there || components == nil {
		return
	}
	if all, ok := components.([]any); ok && len(all) == 0 {
		return
	}
	if _, ok := components.([]any); !ok {
		i.say(field+".components", "invalid", "must be a list")
		return
	}
	i.list(parent, field, "components", 0, i.component)
}

func (i *inspection) component(c map[string]any, field string) {
	switch kind := strings.ToLower(i.text(c, field, "type", 0)); kind {
	case "button":
		i.text(c, field, "sub_type", 0)
		i.number(c, field, "index", 0, 9)
	case "carousel":
		i.list(c, field, "cards", maxCards, func(card map[string]any, field string) {
			i.number(card, field, "card_index", 0, maxCards-1)
			i.components(card, field)
		})
		return
	}
	if parameters, there := c["parameters"]; there && parameters != nil {
		if all, ok := parameters.([]any); ok && len(all) == 0 {
			return
		}
		i.list(c, field, "parameters", 0, i.parameter)
	}
}

// parameter looks at one parameter: the member that its type names. Of types that it doesn't know, Meta may.
func (i *inspection) parameter(p map[string]any, field string) {
	i.option(p, field, "parameter_name", 0)
	switch kind := strings.ToLower(i.text(p, field, "type", 0)); kind {
	case "text", "payload", "coupon_code":
		i.text(p, field, kind, 0)
	case "image", "video", "document", "gif":
		if medium, ok := i.object(p, field, kind); ok {
			i.medium(medium, field+"."+kind)
		}
	case "currency", "date_time":
		if value, ok := i.object(p, field, kind); ok {
			i.text(value, field+"."+kind, "fallback_value", 0)
		}
	case "location", "action", "limited_time_offer", "product", "order_details", "order_status":
		if kind != "location" || p["location"] != nil {
			i.object(p, field, kind)
		}
	}
}
