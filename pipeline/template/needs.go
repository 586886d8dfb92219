package template

import (
	"regexp"
	"slices"
	"strconv"
)

// Need is one place of a template that a message has to fill, or may.
type Need struct {
	Where    string   `json:"where"`              // header, body, button, limited_time_offer, carousel
	Card     *int     `json:"card,omitempty"`     // of a carousel, from 0
	Index    *int     `json:"index,omitempty"`    // of a button, from 0
	SubType  string   `json:"sub_type,omitempty"` // of a button, as url
	Kind     string   `json:"kind"`               // text, or what the header shows: image, video …
	Names    []string `json:"names,omitempty"`    // of named parameters, in the order in which they stand
	Count    int      `json:"count"`              // of parameters
	Optional bool     `json:"optional,omitempty"` // all of them may be left out
}

// Needs gives what a message has to fill, in the order in which the template shows it.
func (t Template) Needs() []Need { return t.needs(t.Components, nil) }

func (t Template) needs(components []Component, card *int) (all []Need) {
	for _, c := range components {
		switch c.Type {
		case "HEADER":
			if n := t.headerNeeds(c); n != nil {
				all = append(all, *n)
			}
		case "BODY":
			if names := variables(c.Text); len(names) > 0 {
				all = append(all, t.text("body", names))
			}
		case "BUTTONS":
			for i, b := range c.Buttons {
				if n := b.needs(); n != nil {
					n.Index = &i
					all = append(all, *n)
				}
			}
		case "LIMITED_TIME_OFFER":
			if c.Expires {
				all = append(all, Need{Where: "limited_time_offer", Kind: "limited_time_offer", Count: 1})
			}
		case "CAROUSEL":
			for i, one := range c.Cards {
				all = append(all, t.needs(one.Components, &i)...)
			}
		}
	}
	for i := range all {
		if card != nil {
			all[i].Card = card
		}
	}
	return all
}

// headers are what a header can show besides text, as Meta's type of its parameter.
var headers = map[string]string{
	"IMAGE": "image", "VIDEO": "video", "GIF": "video", "DOCUMENT": "document", "LOCATION": "location", "PRODUCT": "product",
}

func (t Template) headerNeeds(c Component) *Need {
	if kind, media := headers[c.Format]; media {
		return &Need{Where: "header", Kind: kind, Count: 1}
	}
	if names := variables(c.Text); len(names) > 0 {
		n := t.text("header", names)
		return &n
	}
	return nil
}

func (t Template) text(where string, names []string) Need {
	n := Need{Where: where, Kind: "text", Count: len(names)}
	if t.named(names) {
		n.Names = names
	} else {
		n.Count = highest(names)
	}
	return n
}

// named says whether parameters are given by name. Where Meta doesn't tell, their own spelling does.
func (t Template) named(names []string) bool {
	if t.Format != "" {
		return t.Format == "NAMED"
	}
	return slices.ContainsFunc(names, func(name string) bool { return number(name) == 0 })
}

// highest gives how many positional parameters there are: as many as the highest number says, however many are shown.
func highest(names []string) int {
	most := 0
	for _, name := range names {
		most = max(most, number(name))
	}
	return max(most, min(len(names), maxVariables))
}

// maxVariables bounds what a text that is not what it should be can make us ask for.
const maxVariables = 1000

func number(name string) int {
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 || n > maxVariables {
		return 0
	}
	return n
}

// needs gives what a message has to say of a button; nil for nothing. Of a kind that isn't known anything may be said.
func (b Button) needs() *Need {
	switch b.Type {
	case "URL":
		if len(variables(b.URL)) == 0 {
			return nil
		}
		return &Need{Where: "button", SubType: "url", Kind: "text", Count: 1}
	case "OTP":
		return &Need{Where: "button", SubType: "url", Kind: "text", Count: 1}
	case "COPY_CODE":
		return &Need{Where: "button", SubType: "copy_code", Kind: "coupon_code", Count: 1}
	case "MPM":
		return &Need{Where: "button", SubType: "mpm", Kind: "action", Count: 1}
	case "ORDER_DETAILS":
		return &Need{Where: "button", SubType: "order_details", Kind: "action", Count: 1}
	case "QUICK_REPLY":
		return &Need{Where: "button", SubType: "quick_reply", Kind: "payload", Count: 1, Optional: true}
	case "FLOW":
		return &Need{Where: "button", SubType: "flow", Kind: "action", Count: 1, Optional: true}
	case "CATALOG":
		return &Need{Where: "button", SubType: "catalog", Kind: "action", Count: 1, Optional: true}
	case "PHONE_NUMBER":
		return nil
	}
	return &Need{Where: "button", Optional: true}
}

var variable = regexp.MustCompile(`\{\{\s*([\p{L}\p{N}_]+)\s*\}\}`)

// variables gives the names of a text's variables, each once, in the order in which they first stand.
func variables(text string) (names []string) {
	for _, found := range variable.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(names, found[1]) {
			names = append(names, found[1])
		}
	}
	return names
}
