package contact

import "optgate/pipeline/optout"

// Search says which contacts are looked for. The zero Search finds all.
type Search struct {
	Who      optout.Search // by a part of the contact's own identifier
	Tag      string        // "": any
	Category string        // "": any
}

// Finds says whether a contact is among those looked for.
func (s Search) Finds(c Contact) bool {
	return s.Who.Finds(c.Who[0].ID, "") && (s.Tag == "" || c.HasTag(s.Tag)) && (s.Category == "" || c.HasCategory(s.Category))
}
