package inbound_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"optgate/pipeline/channel"
	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// twoNumbers gives two accounts channels of one business account.
func twoNumbers(d *desk) {
	const business = "204700000000001"
	d.h.Directory = chat.NewDirectory([]string{"acme", "umbrella"}, []chat.Channel{
		{Account: "acme", ID: "wa", Kind: chat.WhatsApp, NumberID: "310100000000001", Business: business, Portfolio: business},
		{Account: "acme", ID: "wa2", Kind: chat.WhatsApp, NumberID: "310100000000003", Business: business, Portfolio: "p"},
		{Account: "acme", ID: "far", Kind: chat.WhatsApp, NumberID: "310100000000004", Business: "2", Portfolio: "p"},
		{Account: "umbrella", ID: "wb", Kind: chat.WhatsApp, NumberID: "310100000000002", Business: business, Portfolio: business},
	})
}

func notices(t *testing.T, published []*stream.Record) (found []channel.Heard, ids []string) {
	t.Helper()
	for _, r := range published {
		var c shard.Command
		if r.Topic != stream.Commands {
			continue
		}
		if err := json.Unmarshal(r.Value, &c); err != nil || c.Kind != channel.CommandNotice {
			t.Fatalf("%s: %v", r.Value, err)
		}
		if r.Partition != chat.Shards(4).Account(c.Account) {
			t.Errorf("a notice of %s in shard %d", c.Account, r.Partition)
		}
		heard, err := shard.Body[channel.Heard](c)
		if err != nil {
			t.Fatal(err)
		}
		found, ids = append(found, *heard), append(ids, c.ID)
	}
	return found, ids
}

func TestWhatMetaTellsOfABusinessAccountReachesItsChannels(t *testing.T) {
	for payload, want := range map[string]chat.Said{
		"message_template_status_update_rejected":           {Subject: chat.SaysTemplate, Value: "REJECTED", Detail: "Two variables sit next to each other."},
		"message_template_quality_update":                   {Subject: chat.SaysTemplateQuality, Value: "YELLOW"},
		"template_category_update":                          {Subject: chat.SaysTemplateCategory, Value: "MARKETING"},
		"account_update_disabled":                           {Subject: chat.SaysAccount, Value: "DISABLED_UPDATE", Detail: "SCHEDULE_FOR_DISABLE"},
		"account_update_partner_removed_entry_is_portfolio": {Subject: chat.SaysAccount, Value: "PARTNER_REMOVED"},
		"phone_number_quality_update":                       {Subject: chat.SaysEvent, Value: "THROUGHPUT_UPGRADE"},
		"business_capability_update":                        {Subject: chat.SaysTier, Value: "2000"},
	} {
		d := newDesk(t)
		twoNumbers(d)
		d.hear(payload)
		heard, ids := notices(t, d.published)
		if len(heard) != 2 || len(heard[0].Channels) != 2 || len(heard[1].Channels) != 1 || heard[0].Notice.Says[0] != want {
			t.Errorf("%s: %+v", payload, heard)
			continue
		}
		if heard[0].At >= received.Add(24*60*60*1e9).UnixMilli() || heard[0].By != channel.ByWebhook || heard[0].Channels[1] != (channel.Concerned{ID: "wa2", Portfolio: "p"}) {
			t.Errorf("%s: %+v", payload, heard[0])
		}
		d.published = nil
		d.hear(payload)
		if _, again := notices(t, d.published); again[0] != ids[0] || ids[0] != ids[1] {
			t.Errorf("%s: ids %v, then %v", payload, ids, again)
		}
		if len(d.dead) > 0 {
			t.Errorf("%s: dead %v", payload, d.dead)
		}
	}
}

func TestANoticeOfAStrangersAccountIsOnlyTold(t *testing.T) {
	d := newDesk(t)
	d.hear("account_update_disabled")
	if heard, _ := notices(t, d.published); len(heard) > 0 || len(d.published) != 1 || len(d.dead) > 0 {
		t.Errorf("%d notices, %d records, dead %v", len(heard), len(d.published), d.dead)
	}
}

// book keeps whose service windows were opened.
type book struct {
	noted []channel.Contact
	err   error
}

func (b *book) NoteContacts(_ context.Context, contacts []channel.Contact) error {
	b.noted = append(b.noted, contacts...)
	return b.err
}

func TestWhoWritesOrCallsOpensTheirWindow(t *testing.T) {
	for payload, want := range map[string]string{
		"text": "phone:447700900101", "bsuid_and_phone": "phone:447700900101 bsuid:GB.90210000000000000101", "standby_message_stop": "phone:447700900101 bsuid:GB.90210000000000000101", "calls_connect": "phone:447700900101",
		"text_forwarded": "phone:447700900101", "unsupported_edit": "phone:447700900101",
		"smb_message_echoes": "", "history_threads": "", "status_delivered": "", "status_sent": "", "group_text": "", "reaction": "",
		"request_welcome": "", "system_user_changed_number": "", "user_preferences_stop": "",
	} {
		d := newDesk(t)
		b := &book{}
		d.h.Windows = b
		d.hear(payload)
		var who []string
		for _, c := range b.noted {
			if c.Account != "acme" || c.Channel != "wa" || c.Pseudonym != d.accounts["acme"].Key.Pseudonym(c.ID) || c.At > received.UnixMilli() || c.At == 0 {
				t.Errorf("%s: %+v", payload, c)
			}
			who = append(who, string(c.ID))
		}
		if got := strings.Join(who, " "); got != want {
			t.Errorf("%s opens the window of %q, want %q", payload, got, want)
		}
	}
}

func TestNothingWaitsForAWindow(t *testing.T) {
	d := newDesk(t)
	d.h.Windows = &book{err: errors.New("away")}
	d.hear("text_stop")
	if len(d.published) == 0 || !strings.Contains(d.log.String(), "service windows not noted") || strings.Contains(d.log.String(), "447700900101") {
		t.Errorf("%d records; %s", len(d.published), &d.log)
	}
}
