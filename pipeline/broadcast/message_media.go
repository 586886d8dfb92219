package broadcast

import "slices"

// Limits of media and places, by Meta.
const (
	maxCaption  = 1024
	maxContacts = 257
)

// mediaOf looks at a message that is an image, a video and so on.
func mediaOf(kind string) func(i *inspection, tree map[string]any) {
	return func(i *inspection, tree map[string]any) {
		medium, ok := i.object(tree, "message", kind)
		if !ok {
			return
		}
		field := "message." + kind
		i.medium(medium, field)
		if kind == "audio" || kind == "sticker" {
			if _, there := medium["caption"]; there {
				i.say(field+".caption", "unknown_member", "stands under no "+kind)
			}
		} else {
			i.option(medium, field, "caption", maxCaption)
		}
		if _, there := medium["filename"]; there && kind != "document" {
			i.say(field+".filename", "unknown_member", "is given to documents alone")
		} else {
			i.option(medium, field, "filename", 0)
		}
	}
}

// medium looks at where a medium comes from: Meta's id of it, a link, or the account's library.
func (i *inspection) medium(medium map[string]any, field string) {
	named := slices.DeleteFunc([]string{"id", "link", "library"}, func(name string) bool { return medium[name] == nil })
	switch {
	case len(named) != 1:
		i.say(field, "required", "needs exactly one of id, link and library")
	case named[0] == "link":
		i.link(medium, field, "link")
	default:
		i.text(medium, field, named[0], 0)
	}
}

func (i *inspection) location(tree map[string]any) {
	place, ok := i.object(tree, "message", "location")
	if !ok {
		return
	}
	i.number(place, "message.location", "latitude", -90, 90)
	i.number(place, "message.location", "longitude", -180, 180)
	i.option(place, "message.location", "name", 0)
	i.option(place, "message.location", "address", 0)
}

func (i *inspection) contacts(tree map[string]any) {
	i.list(tree, "message", "contacts", maxContacts, func(contact map[string]any, field string) {
		if name, ok := i.object(contact, field, "name"); ok {
			i.text(name, field+".name", "formatted_name", 0)
		}
	})
}
