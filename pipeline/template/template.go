// Package template knows the message templates that Meta has approved: what each shows, which parameters it needs, and
// whether a message fills exactly these. It reads them through a small interface and remembers them for a while.
package template

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
)

// Template is a message template as Meta has it, in one language. The zero Template is one that Meta has not.
type Template struct {
	Name       string      `json:"name"`
	Language   string      `json:"language"`                   // as en or pt_BR
	Status     string      `json:"status"`                     // in capitals, as APPROVED, PENDING, PAUSED
	Category   string      `json:"category"`                   // in capitals, as MARKETING; "": not told
	Quality    string      `json:"quality,omitempty"`          // GREEN, YELLOW, RED; "": not told
	Format     string      `json:"parameter_format,omitempty"` // POSITIONAL, NAMED; "": not told
	Components []Component `json:"components"`

	// Languages are, of a template that is not there, those in which one of the same name is; nil of every other.
	Languages []string `json:"-"`
}

// Component is one part of a template, or of a card of it.
type Component struct {
	Type    string   `json:"type"`             // in capitals: HEADER, BODY, FOOTER, BUTTONS, CAROUSEL, LIMITED_TIME_OFFER and whatever Meta comes to
	Format  string   `json:"format,omitempty"` // of a header, in capitals: TEXT, IMAGE, VIDEO, DOCUMENT, LOCATION …
	Text    string   `json:"text,omitempty"`   // with its variables, as "Hi {{1}}"
	Buttons []Button `json:"buttons,omitempty"`
	Cards   []Card   `json:"cards,omitempty"`
	Expires bool     `json:"has_expiration,omitempty"` // of a LIMITED_TIME_OFFER
}

// Button is one button of a template.
type Button struct {
	Type string `json:"type"` // in capitals: QUICK_REPLY, URL, PHONE_NUMBER, COPY_CODE, OTP, FLOW …
	Text string `json:"text,omitempty"`
	URL  string `json:"url,omitempty"` // with its variable, if it has one
}

// Card is one card of a carousel.
type Card struct {
	Components []Component `json:"components"`
}

// Approved is the status of a template that may be sent.
const Approved = "APPROVED"

// Known tells which templates there are.
type Known interface {
	// Find gives the template that a channel would send. known is false where nobody can tell just now: then Meta decides. A
	// template that is known not to be there is the zero Template with the Languages in which there is one of its name.
	Find(ctx context.Context, account, channel, name, language string) (t Template, known bool, err error)
}

// Vet holds a message that a channel would send as of a category against its template: wrong are the fields at fault, named
// from "message" on, and "category". t is nil for a message that is no template's, or whose template nobody can tell.
func Vet(ctx context.Context, all Known, account, channel, category string, message json.RawMessage) (t *Template, wrong []fault.Field, err error) {
	asked, ok := read(message)
	if !ok || all == nil {
		return nil, nil, nil
	}
	found, known, err := all.Find(ctx, account, channel, asked.name, asked.language)
	if err != nil || !known {
		return nil, nil, err
	}
	wrong = found.Check(message)
	if at := found.Belongs(category); at != nil {
		wrong = append(wrong, *at)
	}
	return &found, wrong, nil
}

// There says that Meta has the template.
func (t Template) There() bool { return t.Name != "" }

// Belongs says what is wrong with sending the template as of a category; nil for nothing. What Meta counts as marketing can
// be sent as nothing else, since then the lists that bar marketing would not be asked.
func (t Template) Belongs(category string) *fault.Field {
	if !strings.EqualFold(t.Category, chat.Marketing) || category == chat.Marketing || category == "" {
		return nil
	}
	return &fault.Field{
		Field: "category", Code: "category_mismatch",
		Detail: "must be marketing: that is what Meta counts the template as. Send it as marketing, or have Meta change its category.",
	}
}

// Texts gives every text that the template shows, those of its buttons and cards too, variables as they stand.
func (t Template) Texts() []string { return texts(t.Components) }

func texts(components []Component) (all []string) {
	for _, c := range components {
		all = append(all, c.Text)
		for _, b := range c.Buttons {
			all = append(all, b.Text)
		}
		for _, card := range c.Cards {
			all = append(all, texts(card.Components)...)
		}
	}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}

// Buttons gives the template's buttons, those of its cards too.
func (t Template) Buttons() []Button { return buttons(t.Components) }

func buttons(components []Component) (all []Button) {
	for _, c := range components {
		all = append(all, c.Buttons...)
		for _, card := range c.Cards {
			all = append(all, buttons(card.Components)...)
		}
	}
	return all
}
