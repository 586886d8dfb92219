package inbound

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// notice gives the commands that tell the accounts with channels of a business account what Meta says of it. They have the
// same ids whenever Meta delivers the item again.
func (h *Handler) notice(it *item) (records []*stream.Record, err error) {
	of := map[string][]chat.Channel{}
	var accounts []string
	for _, c := range h.Directory.ByWABA(it.in.Notice.WABA) {
		if of[c.Account] == nil {
			accounts = append(accounts, c.Account)
		}
		of[c.Account] = append(of[c.Account], c)
	}
	at := it.at.Add(time.Second - time.Millisecond) // Meta's times are seconds: what was asked within the same one came before
	if at.After(it.received) {
		at = it.received
	}
	sum := sha256.Sum256(it.record.Value)
	id := "notice." + hex.EncodeToString(sum[:12])
	for _, account := range accounts {
		command, err := channel.NewNotice(id, h.Now().UnixMilli(), at.UnixMilli(), channel.ByWebhook, *it.in.Notice, of[account])
		if err != nil {
			return nil, err
		}
		record, err := command.Record(h.Shards.Account(account))
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// windows keeps who may be written anything.
type windows interface {
	NoteContacts(ctx context.Context, contacts []channel.Contact) error
}

// noteWithin bounds how long a batch waits for the service windows to be noted.
const noteWithin = 500 * time.Millisecond

// openWindows notes who wrote or called. Where that can't be done the batch goes on: a window that isn't known makes a
// template count as one more person, and the person's next message opens it again.
func (h *Handler) openWindows(ctx context.Context, items []item) {
	if h.Windows == nil {
		return
	}
	var contacts []channel.Contact
	for i := range items {
		it := &items[i]
		if !it.in.Opens || it.known == nil || it.reason != "" || it.blocked || h.Now().Sub(it.at) >= channel.Window {
			continue
		}
		for _, who := range it.who[:min(len(it.who), len(it.in.Who))] {
			contacts = append(contacts, channel.Contact{
				Account: it.channel.Account, Channel: it.channel.ID, ID: who.ID, Pseudonym: who.P, At: it.at.UnixMilli(),
			})
		}
	}
	if len(contacts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noteWithin)
	defer cancel()
	if err := h.Windows.NoteContacts(ctx, contacts); err != nil {
		h.Logger.Warn().Int("contacts", len(contacts)).Err(err).Msg("service windows not noted")
	}
}
