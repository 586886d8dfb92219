package optout

import (
	"optgate/pipeline/chat"
	"optgate/pipeline/gate"
)

// SystemLists gives the lists that every account has and can't delete: Default, which hears stop words of many languages,
// and Meta, which holds who switched marketing off inside WhatsApp and hears no words.
func SystemLists() []List {
	words := make([]string, 0, len(Words()))
	for _, word := range Words() {
		words = append(words, word.Text)
	}
	return []List{
		{
			ID: gate.DefaultList, Name: "Default", Description: "People who asked for no more messages.", System: true,
			Keywords: words, OptinKeywords: OptinWords(), Confirmation: DefaultConfirmation, OptinMessage: DefaultOptinMessage,
			Channels: []string{chat.AnyChannel}, Scope: ScopeChannel,
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
