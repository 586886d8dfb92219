package picky

import (
	"encoding/json"
	"net/url"
	"path"
	"reflect"
	"strconv"
	"strings"

	"optgate/pipeline/fault"
)

// Kind is a message_type.
type Kind int

// The kinds. A template is of the kind of its header's media, else text, as are places and contacts.
const (
	Image    Kind = 1
	Video    Kind = 2
	Text     Kind = 3
	Audio    Kind = 4
	Document Kind = 5
)

var textType = reflect.TypeFor[string]()

const (
	defaultLanguage = "en"
	whole           = "" // where the fields of the push itself are named
)

// object is one of JSON.
type object = map[string]any

// message makes what a push sends to all, or to the row whose members replace the push's: then at names it. nil where there is
// nothing to send.
func (r *request) message(f *findings, at string) json.RawMessage {
	field := "globalmedia"
	if at != whole {
		field = at + "media"
	}
	media, ok := attached(string(r.Media), r.Voice.yes(), r.Sticker.yes())
	if !ok {
		f.say(field, "invalid_url", "is a URL that begins with http:// or https://")
		return nil
	}
	switch {
	case r.Template != "":
		return r.template(media)
	case r.Location != nil:
		return r.location(f)
	case r.Contact != nil:
		return made("contacts", r.Contact)
	case media.link != "":
		inner := object{"link": media.link}
		if media.kind == "document" {
			inner["filename"] = media.name
		}
		if r.Message != "" && (media.kind == "image" || media.kind == "video" || media.kind == "document") {
			inner["caption"] = string(r.Message)
		}
		return made(media.kind, inner)
	case r.Message != "":
		return made("text", object{"body": string(r.Message)})
	}
	return nil
}

func made(name string, inner any) json.RawMessage {
	raw, _ := json.Marshal(object{"type": name, name: inner}) //nolint:errchkjson // it came as JSON
	return raw
}

func (r *request) template(header media) json.RawMessage {
	components := []any{}
	switch {
	case header.link != "":
		inner := object{"link": header.link}
		if header.kind == "document" {
			inner["filename"] = header.name
		}
		components = append(components, object{"type": "header", "parameters": []any{object{"type": header.kind, header.kind: inner}}})
	case r.Header != "":
		components = append(components, object{"type": "header", "parameters": texts([]scalar{r.Header})})
	}
	if len(r.Values) > 0 {
		components = append(components, object{"type": "body", "parameters": texts(r.Values)})
	}
	inner := object{"name": string(r.Template), "language": object{"code": string(or(r.Language, defaultLanguage))}}
	if len(components) > 0 {
		inner["components"] = components
	}
	return made("template", inner)
}

func texts(values []scalar) (parameters []any) {
	for _, v := range values {
		parameters = append(parameters, object{"type": "text", "text": string(v)})
	}
	return parameters
}

func (r *request) location(f *findings) json.RawMessage {
	inner := object{}
	for name, text := range map[string]scalar{"latitude": r.Location.Lat, "longitude": r.Location.Long} {
		degrees, err := strconv.ParseFloat(string(text), 64)
		if err != nil || degrees < -180 || degrees > 180 {
			f.say("location", "invalid", "needs lat and long, in degrees")
			return nil
		}
		inner[name] = degrees
	}
	for name, text := range map[string]scalar{"name": r.Location.Name, "address": r.Location.Address} {
		if text != "" {
			inner[name] = string(text)
		}
	}
	return made("location", inner)
}

// media is a file at a URL.
type media struct{ link, kind, name string }

// kinds of files by the ends of their names; anything else is a document.
var kinds = map[string]string{
	".jpg": "image", ".jpeg": "image", ".png": "image",
	".mp4": "video", ".3gp": "video", ".3gpp": "video",
	".aac": "audio", ".amr": "audio", ".mp3": "audio", ".m4a": "audio", ".ogg": "audio", ".opus": "audio",
	".webp": "sticker",
}

// attached reads the URL of a file; ok is false where it is none.
func attached(link string, voice, sticker bool) (m media, ok bool) {
	if link == "" {
		return m, true
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return m, false
	}
	m = media{link: link, kind: kinds[strings.ToLower(path.Ext(u.Path))], name: path.Base(u.Path)}
	switch {
	case voice:
		m.kind = "audio"
	case sticker:
		m.kind = "sticker"
	case m.kind == "":
		m.kind = "document"
	}
	if m.name == "." || m.name == "/" {
		m.name = "document"
	}
	return m, true
}

func (m media) shown() Kind {
	switch m.kind {
	case "image", "sticker":
		return Image
	case "video":
		return Video
	case "audio":
		return Audio
	}
	return Document
}

// KindOf tells the kind of a message as the Cloud API takes it; Text where it can't be told.
func KindOf(raw json.RawMessage) Kind {
	var m struct {
		Type     string `json:"type"`
		Template struct {
			Components []struct {
				Type       string `json:"type"`
				Parameters []struct {
					Type string `json:"type"`
				} `json:"parameters"`
			} `json:"components"`
		} `json:"template"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return Text
	}
	for _, c := range m.Template.Components {
		if m.Type == "template" && strings.EqualFold(c.Type, "header") && len(c.Parameters) > 0 {
			m.Type = c.Parameters[0].Type
		}
	}
	switch m.Type {
	case "image", "video", "audio", "document", "sticker":
		return media{kind: m.Type}.shown()
	}
	return Text
}

// Rename tells a field of a message by the member of a push that it was made of: all the fault of a text, a caption or a
// template's variables lies in what one member says.
func Rename(wrong fault.Field, row int) fault.Field {
	name, own := "globalmessage", "message"
	switch {
	case strings.HasPrefix(wrong.Field, "message.template.name"):
		name, own = "template_id", "template_id"
	case strings.HasPrefix(wrong.Field, "message.template.language"):
		name, own = "language", "language"
	case strings.HasPrefix(wrong.Field, "message.template"):
		name, own = "template_globalmessage", "template_message"
	case strings.HasPrefix(wrong.Field, "message.location"):
		name, own = "location", "location"
	case strings.HasPrefix(wrong.Field, "message.contacts"):
		name, own = "contact", "contact"
	case strings.HasSuffix(wrong.Field, ".link"), strings.HasSuffix(wrong.Field, ".filename"):
		name, own = "globalmedia", "media"
	}
	if row >= 0 {
		name = "data[" + strconv.Itoa(row) + "]." + own
	}
	wrong.Field = name
	return wrong
}
