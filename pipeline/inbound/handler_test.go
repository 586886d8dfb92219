package inbound_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/inbound"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

const (
	ada  = chat.Identifier("phone:447700900101")
	adaB = chat.Identifier("bsuid:GB.90210000000000000101")
)

func TestAStopAsksForAnOptOutWithItsConfirmation(t *testing.T) {
	d := newDesk(t)
	d.hear("text_stop")
	c := d.change()
	key := d.accounts["acme"].Key
	want := optout.Mark{
		List: "default", Channel: "wa", At: sent.UnixMilli(), Source: optout.SourceMessage, Rule: "stop",
		Message: key.Message("wamid.SFh0ZXN0LTAwMDAwMi1jb21wb3NlZC1ieS1oYW5k"),
	}
	if !c.Out || !slices.Equal(c.Marks, []optout.Mark{want}) || c.Linked || !slices.Equal(c.Who, []optout.Ref{{ID: ada, P: key.Pseudonym(ada)}}) {
		t.Errorf("change %+v", c)
	}
	if c.Confirm == nil || c.Confirm.Channel != "wa" || c.Confirm.Given != "+447700900101" ||
		!slices.Equal(c.Confirm.Texts, []optout.Text{{List: "default", Body: optout.DefaultConfirmation}}) {
		t.Errorf("confirmation %+v", c.Confirm)
	}
	command := of[shard.Command](d, stream.Commands)[0]
	if command.Account != "acme" || command.Made != d.now.UnixMilli() || command.V != 1 || strings.Contains(command.ID, "wamid") {
		t.Errorf("command %+v", command)
	}
	events := of[inbound.Event](d, stream.Events)
	if len(events) != 1 || events[0].Done.Change != "out" || !slices.Equal(events[0].Done.Lists, []string{"default"}) || events[0].Account != "acme" ||
		events[0].Item.Texts[0] != "STOP" || events[0].At != sent.UnixMilli() || events[0].Received != received.UnixMilli() {
		t.Errorf("events %+v", events)
	}
	if d.calls != 1 || !slices.Equal(d.items, []string{"message"}) {
		t.Errorf("%d calls to publish, items %v", d.calls, d.items)
	}
}

func TestWhatIsHeardAndWhatIsNot(t *testing.T) {
	for name, want := range map[string]string{
		"text_stop": "out", "text_start": "in", "button_unsubscribe": "out", "image_caption_stop": "out", "standby_message_stop": "out",
		"edit_coexistence": "out", "text_stop_french_accent": "out", "instagram_text": "out", "messenger_text": "out",
		"text_stop_inside_sentence": "", "text_forwarded": "", "history_threads": "", "group_text": "", "smb_message_echoes": "", "reaction": "",
		"bsuid_and_phone": "", "text_stop_arabic": "", // no sourced word yet
		"user_preferences_stop": "out", "user_preferences_resume": "in", "status_failed_131050": "out", "status_failed_131026": "",
	} {
		d := newDesk(t)
		d.hear(name)
		if got := d.changes(); want == "" && len(got) != 0 || want != "" && (len(got) != 1 || got[0].Out != (want == "out")) {
			t.Errorf("%s: changes %+v; want %q", name, got, want)
		}
		if len(d.letters()) != 0 || len(of[inbound.Event](d, stream.Events)) == 0 {
			t.Errorf("%s: %d dead, %d events", name, len(d.letters()), len(of[inbound.Event](d, stream.Events)))
		}
	}
}

func TestMetasSwitchGoesToTheMetaListWithoutAWord(t *testing.T) {
	for name, rule := range map[string]string{"user_preferences_stop": "user_preferences", "user_preferences_resume": "user_preferences", "status_failed_131050": "131050"} {
		d := newDesk(t)
		d.hear(name)
		c := d.change()
		if c.Confirm != nil || c.Marks[0].List != "meta" || c.Marks[0].Channel != "wa" || c.Marks[0].Rule != rule || c.Marks[0].Source != optout.SourceMeta || c.Who[0].ID != ada {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestIdentifiersShownTogetherAreTied(t *testing.T) {
	d := newDesk(t)
	d.hear("bsuid_and_phone")
	if ties := d.ties(); len(ties) != 1 || !slices.Equal(ties[0], []chat.Identifier{ada, adaB}) {
		t.Errorf("ties %v", ties)
	}
	kept := len(of[shard.Command](d, stream.Commands))
	d.hear("bsuid_and_phone")
	if len(of[shard.Command](d, stream.Commands)) != kept {
		t.Error("a tie that is kept needs no second command")
	}
	d.now = d.now.Add(time.Hour)
	d.hear("bsuid_and_phone")
	if len(of[shard.Command](d, stream.Commands)) != 2*kept {
		t.Error("a tie is forgotten after a while")
	}
	a := d.accounts["acme"]
	a.Numbers = map[string]int{"wa": 101}
	d.accounts["acme"] = a
	d.hear("bsuid_and_phone")
	if len(of[shard.Command](d, stream.Commands)) != 3*kept {
		t.Error("a tie is forgotten once anything was decided about its account, since that may have erased it")
	}
	d = newDesk(t)
	d.hear("bsuid_and_phone", "bsuid_and_phone")
	if len(of[shard.Command](d, stream.Commands)) != kept {
		t.Error("a tie that the same batch has asked for needs no second command")
	}
	d = newDesk(t)
	d.hear("standby_message_stop")
	if c := d.change(); !c.Linked || !slices.Equal(shown(c.Who), []chat.Identifier{ada, adaB}) || len(d.ties()) != 0 {
		t.Errorf("a change ties what it shows: %+v", c)
	}
	d = newDesk(t)
	d.hear("system_user_changed_number")
	want := []chat.Identifier{"phone:447700900177", "bsuid:GB.90210000000000000177", ada, adaB}
	if ties := d.ties(); len(ties) != 1 || !slices.Equal(ties[0], want) {
		t.Errorf("a number change ties new and old: %v", ties)
	}
}

func TestATieThatWasNotKeptIsAskedForAgain(t *testing.T) {
	d := newDesk(t)
	d.refuse = errors.New("Kafka is away")
	batch := d.records(d.body("bsuid_and_phone"))
	if err := d.h.Handle(t.Context(), batch); !errors.Is(err, d.refuse) || len(d.items) != 0 {
		t.Fatalf("handle: %v, counted %v", err, d.items)
	}
	d.refuse = nil
	d.handle(batch...)
	if len(d.ties()) != 1 {
		t.Error("the tie is lost")
	}
}

func TestWhatComesAgainHasTheSameIDs(t *testing.T) {
	ids := func(d *desk) (ids []string) {
		for _, c := range of[shard.Command](d, stream.Commands) {
			ids = append(ids, c.ID)
		}
		for _, e := range of[inbound.Event](d, stream.Events) {
			ids = append(ids, e.ID)
		}
		return ids
	}
	names := []string{"text_stop", "user_preferences_stop", "status_failed_131050", "bsuid_and_phone", "text_start", "batch_mixed_entries_numbers_fields"}
	d := newDesk(t)
	d.hear(names...)
	again := newDesk(t)
	again.now = again.now.Add(time.Hour)
	again.offset = 5000
	again.hear(names...)
	if !slices.Equal(ids(d), ids(again)) {
		t.Errorf("%v\n%v", ids(d), ids(again))
	}
	seen := map[string]string{}
	for _, r := range d.published {
		if r.Topic == stream.Commands && seen[string(r.Key)] != "" && seen[string(r.Key)] != string(r.Value) {
			t.Errorf("two commands with one id")
		}
		seen[string(r.Key)] = string(r.Value)
	}
}

func TestOneBodyOfTwoAccountsGoesToEachItsOwn(t *testing.T) {
	d := newDesk(t)
	d.hear("batch_mixed_entries_numbers_fields")
	for _, e := range of[inbound.Event](d, stream.Events) {
		if want := map[string]string{"310100000000001": "acme", "310100000000002": "umbrella"}[e.Item.NumberID]; e.Account != want {
			t.Errorf("item of %s is told to %s", e.Item.NumberID, e.Account)
		}
		if key := d.accounts[e.Account].Key; e.Pseudonym != key.Pseudonym(e.Item.Who[0]) {
			t.Error("a pseudonym of another account's key")
		}
	}
	if len(of[inbound.Event](d, stream.Events)) != 4 {
		t.Errorf("%d events", len(of[inbound.Event](d, stream.Events)))
	}
}

func TestReceiptsBecomeFacts(t *testing.T) {
	for status, want := range map[string]chat.Status{
		"sent": chat.Sent, "delivered": chat.Delivered, "read": chat.Read, "played": chat.Read, "failed": chat.Failed, "deleted": "",
	} {
		d := newDesk(t)
		body := bytes.ReplaceAll(d.body("status_failed_131026"), []byte(`"failed"`), []byte(`"`+status+`", "biz_opaque_callback_data": "acme/b7/12/b7.12"`))
		d.handle(d.records(body)...)
		facts := of[chat.Fact](d, stream.Outcomes)
		if want == "" {
			if len(facts) != 0 {
				t.Errorf("%s: %+v", status, facts)
			}
			continue
		}
		if len(facts) != 1 || facts[0].Status != want || facts[0].ID != "b7.12" || facts[0].Broadcast != "b7" || facts[0].Row != 12 || facts[0].Account != "acme" || facts[0].V != 1 ||
			facts[0].At == 0 || !strings.HasPrefix(facts[0].MessageID, "wamid.") || strings.HasPrefix(facts[0].Error, "131026 ") != (want == chat.Failed) {
			t.Errorf("%s: %+v", status, facts)
		}
		for _, r := range d.published {
			if r.Topic == stream.Outcomes && (r.Partition != d.h.Shards.Broadcast("acme", "b7") || string(r.Key) != "b7") {
				t.Errorf("outcome of key %s in %d", r.Key, r.Partition)
			}
		}
	}
	d := newDesk(t)
	d.hear("status_biz_opaque")
	d.handle(d.records(bytes.ReplaceAll(d.body("status_biz_opaque"), []byte("camp=7;rcpt=000123"), []byte("umbrella/b7/12/b7.12")))...)
	if facts := of[chat.Fact](d, stream.Outcomes); len(facts) != 0 {
		t.Errorf("what is not ours, and another account's, is no fact: %+v", facts)
	}
}

func TestAReceiptThatNamesNoRowFindsItByItsMessage(t *testing.T) {
	d := newDesk(t)
	records := d.records(d.body("status_failed_131026"))
	in, err := meta.Decode(records[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	d.handle(records...)
	if facts := of[chat.Fact](d, stream.Outcomes); len(facts) != 0 {
		t.Errorf("nobody sent it, and yet: %+v", facts)
	}
	d.callbacks = map[string]string{in.MessageID: "acme/b7/12/b7.12"}
	d.handle(records...)
	if facts := of[chat.Fact](d, stream.Outcomes); len(facts) != 1 || facts[0].ID != "b7.12" || facts[0].Status != chat.Failed {
		t.Errorf("%+v", facts)
	}
}

func TestMessageTimeDecides(t *testing.T) {
	for stamp, want := range map[string]time.Time{
		"1794300000": sent, "1794300000123": sent.Add(123 * time.Millisecond), "1794309999": received, "0": received, "": received, "-5": received, "yesterday": received, "99999999999999": received,
	} {
		d := newDesk(t)
		d.handle(d.records(bytes.ReplaceAll(d.body("text_stop"), []byte("1794300000"), []byte(stamp)))...)
		if at := d.change().Marks[0].At; at != want.UnixMilli() {
			t.Errorf("timestamp %q: %d, want %d", stamp, at, want.UnixMilli())
		}
	}
}

func TestNoConfirmationForOldWordsNorWhereNothingCanBeSent(t *testing.T) {
	d := newDesk(t)
	d.now = sent.Add(25 * time.Hour)
	d.hear("text_stop", "messenger_text", "instagram_text")
	changes := d.changes()
	if len(changes) != 3 {
		t.Fatalf("%d changes", len(changes))
	}
	for _, c := range changes {
		if c.Confirm != nil {
			t.Errorf("confirmation %+v", c.Confirm)
		}
	}
	d = newDesk(t)
	d.hear("messenger_text")
	if c := d.change(); c.Confirm != nil || c.Who[0].ID.Kind() != chat.KindPSID || c.Marks[0].Channel != "fb" {
		t.Errorf("Messenger: %+v", c)
	}
}

func TestAListOfAllChannelsCoversAll(t *testing.T) {
	d := newDesk(t)
	a := d.accounts["acme"]
	a.Lists = append(slices.Clone(a.Lists), optout.List{ID: "promo", Keywords: []string{"stop"}, Channels: []string{"*"}, Scope: optout.ScopeAll, Confirmation: "No offers."})
	d.accounts["acme"] = a
	d.hear("text_stop")
	c := d.change()
	if len(c.Marks) != 2 || c.Marks[0].Channel != "wa" || c.Marks[1].List != "promo" || c.Marks[1].Channel != chat.AnyChannel || len(c.Confirm.Texts) != 2 {
		t.Errorf("change %+v", c)
	}
}

// TestAnOptInLiftsWhatWasSaidBeforeTheListCoveredAll: somebody said STOP on this channel alone.
func TestAnOptInLiftsWhatWasSaidBeforeTheListCoveredAll(t *testing.T) {
	d := newDesk(t)
	a := d.accounts["acme"]
	a.Lists = append(slices.Clone(a.Lists), optout.List{ID: "promo", OptinKeywords: []string{"offers"}, Channels: []string{"*"}, Scope: optout.ScopeAll, OptinMessage: "Offers."})
	d.accounts["acme"] = a
	d.handle(d.records(bytes.Replace(d.body("text_stop"), []byte("STOP"), []byte("Offers"), 1))...)
	c := d.change()
	if c.Out || len(c.Marks) != 2 || c.Marks[0].Channel != chat.AnyChannel || c.Marks[1].Channel != "wa" || c.Marks[1].List != "promo" || len(c.Confirm.Texts) != 1 {
		t.Errorf("change %+v", c)
	}
}

func TestNothingIsSaidWhileNobodyCanKnow(t *testing.T) {
	uncertain := fault.New(fault.NotCertain, "not_certain", "nobody knows")
	for name, set := range map[string]func(*desk){
		"text_stop":            func(d *desk) { d.unknown = uncertain },
		"status_failed_131050": func(d *desk) { d.untraced = uncertain },
	} {
		d := newDesk(t)
		set(d)
		if err := d.h.Handle(t.Context(), d.records(d.body(name))); fault.KindOf(err) != fault.NotCertain || d.calls != 0 {
			t.Errorf("%s: %v after %d calls to publish", name, err, d.calls)
		}
	}
	d := newDesk(t)
	newer := d.records(d.body("text_stop"))[0]
	newer.Headers[0].Value = "2"
	if err := d.h.Handle(t.Context(), []stream.Record{newer}); !errors.Is(err, stream.ErrVersion) || d.calls != 0 {
		t.Errorf("a record of a newer version: %v", err)
	}
}
