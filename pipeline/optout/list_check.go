package optout

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"optgate/pipeline/fault"
	"optgate/pipeline/gate"
)

// Limits of a list. Texts are counted in Unicode code points.
const (
	maxName        = 50
	maxDescription = 300
	maxKeyword     = 50
	maxMessage     = 300  // of a confirmation and an opt-in message
	maxKeywords    = 100  // of each kind, of the list itself and of each of its languages
	maxURL         = 2048 // of a webhook
	maxChannels    = 100
)

// Wrong names every field of a list that can't be as it is, none if it can be kept. Which channels there are, and where a
// webhook may lead to, is for the door to know.
func (l List) Wrong() []fault.Field {
	c := listCheck{}
	c.text("name", l.Name, maxName, true)
	c.text("description", l.Description, maxDescription, true)
	if !visible(l.Name) {
		c.say("name", "required", "names the list")
	}
	c.message("confirmation", l.Confirmation)
	c.message("optin_message", l.OptinMessage)
	c.url(l.WebhookURL)
	if len(l.Channels) == 0 {
		c.say("channels", "required", `names the channels on which its words count, or "*" for all`)
	}
	if len(l.Channels) > maxChannels {
		c.say("channels", "too_many", fmt.Sprintf("has at most %d", maxChannels))
	}
	if l.Scope != ScopeChannel && l.Scope != ScopeAll {
		c.say("scope", "unknown_scope", "is channel or all")
	}
	c.words(l)
	if l.ID == gate.DefaultList && !c.stops {
		c.say("keywords", "required", "holds at least one word: without any, nobody could opt out by a message")
	}
	return c.wrong
}

// listCheck collects what is wrong with a list.
type listCheck struct {
	wrong  []fault.Field
	stops  bool              // there is a stop word
	folded map[string]string // folded stop word → where it stands
}

func (c *listCheck) say(field, code, detail string) {
	c.wrong = append(c.wrong, fault.Field{Field: field, Code: code, Detail: detail})
}

// text checks a text's length, and that a text of one line is one: what steers a terminal or a page is no part of it.
func (c *listCheck) text(field, text string, most int, line bool) {
	if n := utf8.RuneCountInString(text); n > most {
		c.say(field, "too_long", fmt.Sprintf("has at most %d characters, not %d", most, n))
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && (line || r != '\n' && r != '\r' && r != '\t') }) {
		c.say(field, "control_character", "holds a control character")
	}
}

// message checks a text that is sent.
func (c *listCheck) message(field, text string) {
	c.text(field, text, maxMessage, false)
	if text != "" && !visible(text) {
		c.say(field, "blank", "is empty to the eye: leave it out to send nothing")
	}
}

// visible says that a text shows something.
func visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) })
}

func (c *listCheck) url(text string) {
	if wrong := WebhookURL(text); text != "" && wrong != nil {
		c.say(wrong.Field, wrong.Code, wrong.Detail)
	}
}

// WebhookURL says what is wrong with the form of a URL that is to be posted to, as the field webhook_url; nil: nothing is.
func WebhookURL(text string) *fault.Field {
	if utf8.RuneCountInString(text) > maxURL {
		return &fault.Field{Field: "webhook_url", Code: "too_long", Detail: fmt.Sprintf("has at most %d characters", maxURL)}
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return &fault.Field{Field: "webhook_url", Code: "invalid_url", Detail: "is a URL with http or https and a host, as https://example.com/optouts"}
	}
	return nil
}

// words checks all words of the list and its languages, stop words first.
func (c *listCheck) words(l List) {
	c.folded = map[string]string{}
	codes := slices.Sorted(maps.Keys(l.Languages))
	c.keywords("keywords", l.Keywords, l.ID == gate.MetaList)
	for _, code := range codes {
		at := "languages." + code
		if !isLanguage(code) {
			c.say(at, "unknown_language", "is no language code of ISO 639-1, as fr")
		}
		c.keywords(at+".keywords", l.Languages[code].Keywords, l.ID == gate.MetaList)
		c.message(at+".confirmation", l.Languages[code].Confirmation)
		c.message(at+".optin_message", l.Languages[code].OptinMessage)
	}
	c.stops = len(c.folded) > 0
	c.optins("optin_keywords", l.OptinKeywords, l.ID == gate.MetaList)
	for _, code := range codes {
		c.optins("languages."+code+".optin_keywords", l.Languages[code].OptinKeywords, l.ID == gate.MetaList)
	}
}

func (c *listCheck) keywords(field string, words []string, deaf bool) {
	c.each(field, words, deaf, func(at, folded string) { c.folded[folded] = at })
}

func (c *listCheck) optins(field string, words []string, deaf bool) {
	c.each(field, words, deaf, func(at, folded string) {
		if stop, both := c.folded[folded]; both {
			c.say(at, "ambiguous", "is a stop word too, in "+stop+": one word can't do both")
		}
	})
}

// each checks words one by one and gives those that mean something to found, folded.
func (c *listCheck) each(field string, words []string, deaf bool, found func(at, folded string)) {
	if deaf && len(words) > 0 {
		c.say(field, "no_words", "stays empty: this list holds what people switch inside WhatsApp and hears no words")
		return
	}
	if len(words) > maxKeywords {
		c.say(field, "too_many", fmt.Sprintf("has at most %d words, not %d", maxKeywords, len(words)))
		return
	}
	for i, word := range words {
		at := fmt.Sprintf("%s[%d]", field, i)
		folded := FoldText(word)
		switch {
		case strings.TrimSpace(word) == "":
			c.say(at, "required", "is empty")
		case utf8.RuneCountInString(word) > maxKeyword:
			c.text(at, word, maxKeyword, true)
		case folded == "":
			c.say(at, "no_word", "holds no letter or digit: signs and emoji around a word do not count, so nothing would be left to compare")
		default:
			c.text(at, word, maxKeyword, true)
			found(at, folded)
		}
	}
}

// isLanguage says whether a text is a code of ISO 639-1.
func isLanguage(code string) bool {
	if len(code) != 2 || strings.ToLower(code) != code {
		return false
	}
	base, err := language.ParseBase(code)
	return err == nil && base.String() == code
}

// maxAccount bounds an account's state, in bytes: each process reads it again and again, and a command must hold it.
const maxAccount = 256 << 10

// bytes gives the size of the account's state.
func (a Account) bytes() int {
	state, err := json.Marshal(a)
	if err != nil {
		return maxAccount + 1
	}
	return len(state)
}
