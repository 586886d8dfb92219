package app

import (
	"context"
	"fmt"
	"maps"

	"optgate/gateway/store"
	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
)

// segments tells a broadcast of the people of its segment.
type segments struct{ *store.Store }

// nameAttribute is the parameter that a contact's name stands for, unless it has an attribute of that name.
const nameAttribute = "name"

// Attributes gives what is known of contacts, their names among it.
func (s segments) Attributes(ctx context.Context, account string, ids []chat.Identifier) (map[chat.Identifier]map[string]string, error) {
	contacts, err := s.Contacts(ctx, account, ids)
	if err != nil {
		return nil, fmt.Errorf("contacts of a segment: %w", err)
	}
	known := make(map[chat.Identifier]map[string]string, len(contacts))
	for id, c := range contacts {
		of := map[string]string{}
		if c.Name != "" {
			of[nameAttribute] = c.Name
		}
		maps.Copy(of, c.Attributes)
		known[id] = of
	}
	return known, nil
}

// left gives how many people may still be written to today by a channel.
func (a *App) left(ctx context.Context, c chat.Channel, _ channel.Condition) (int, bool, error) {
	return a.store.TierLeft(ctx, c.Account, c.Portfolio)
}
