package optout

import (
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// SystemVersion numbers what SystemLists gives. An account takes a higher one over for lists that nobody has changed.
const SystemVersion = 1

// ownLanguage is the language of Default's own words and texts; those of others stand in its Languages.
const ownLanguage = "en"

// SystemLists gives the lists that every account has and can't delete: Default, which hears stop words of many languages,
// and Meta, which holds who switched marketing off inside WhatsApp and hears no words.
func SystemLists() []List {
	own, languages := []string(nil), map[string]Language{}
	for _, word := range Words() {
		if word.Language == ownLanguage {
			own = append(own, word.Text)
			continue
		}
		l := languages[word.Language]
		l.Keywords = append(l.Keywords, word.Text)
		languages[word.Language] = l
	}
	return []List{
		{
			ID: gate.DefaultList, Name: "Default", Description: "People who asked for no more messages.", System: true,
			Keywords: own, OptinKeywords: OptinWords(), Confirmation: DefaultConfirmation, OptinMessage: DefaultOptinMessage,
			Channels: []string{chat.AnyChannel}, Scope: ScopeChannel, Languages: languages,
		},
		{
			ID: gate.MetaList, Name: "Meta", Description: "People who switched marketing off inside WhatsApp.", System: true,
			Channels: []string{chat.AnyChannel}, Scope: ScopeChannel,
		},
	}
}

// List finds an account's list.
func (a Account) List(id string) (List, bool) {
	for _, list := range a.Lists {
		if list.ID == id {
			return list, true
		}
	}
	return List{}, false
}

// add puts missing system lists before the account's own.
func (a *Account) add(lists []List) (changed bool) {
	var missing []List
	for _, list := range lists {
		if _, has := a.List(list.ID); !has && list.System {
			missing = append(missing, list)
		}
	}
	if len(missing) == 0 {
		return false
	}
	a.Lists = append(missing, a.Lists...)
	return true
}

// renew takes over words and texts of a later version's system lists, where nobody has changed the list.
func (a *Account) renew(lists []List, version int) (changed bool) {
	if version <= a.System {
		return false
	}
	a.System = version
	for _, list := range lists {
		i := a.index(list.ID)
		if i < 0 || !list.System || a.Lists[i].Revision > 0 {
			continue
		}
		own := &a.Lists[i]
		own.Description, own.Confirmation, own.OptinMessage = list.Description, list.Confirmation, list.OptinMessage
		own.Keywords, own.OptinKeywords, own.Languages = list.Keywords, list.OptinKeywords, list.Languages
	}
	return true
}
