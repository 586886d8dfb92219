package meta

import (
	"testing"
)

// FuzzDecodeTemplates reads what Graph may answer: every template that comes out can be named, and cards hold no cards.
func FuzzDecodeTemplates(f *testing.F) {
	f.Add([]byte(`{"data":[{"name":"a","language":"en","components":[{"type":"CAROUSEL","cards":[{"components":[{"type":"BODY"}]}]}]}],"paging":{"next":"x","cursors":{"after":"c"}}}`))
	f.Add([]byte(`{"data":{"name":1},"paging":[]}`))
	f.Add([]byte(`{"data":[[],null,7,"x",{"name":null}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !valid(raw) {
			return
		}
		page, _ := decodeTemplates(members(raw))
		for _, one := range page {
			if one.Name == "" || one.Language == "" {
				t.Errorf("%+v", one)
			}
			_ = one.Needs()
			for _, c := range one.Components {
				for _, card := range c.Cards {
					for _, inside := range card.Components {
						if inside.Cards != nil {
							t.Error("cards in a card")
						}
					}
				}
			}
		}
	})
}
