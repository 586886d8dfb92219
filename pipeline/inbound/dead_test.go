package inbound_test

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/inbound"
	"optgate/pipeline/optout"
	"optgate/pipeline/stream"
)

func TestOneBadItemNeverHarmsItsNeighbours(t *testing.T) {
	d := newDesk(t)
	stops := d.records(d.body("text_stop"))
	garbage := d.record([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"310100000000001"},"messages":["\u0000"]}}]}]}`))
	decode := d.h.Decode
	bomb := d.record([]byte("bomb"))
	d.h.Decode = func(value []byte) (chat.Inbound, error) {
		if string(value) == "bomb" {
			_ = value[len(value)]
		}
		return decode(value)
	}
	d.handle(garbage, stops[0], bomb, d.records(d.body("user_preferences_stop"))[0])
	if changes := d.changes(); len(changes) != 2 {
		t.Errorf("%d changes of the neighbours", len(changes))
	}
	letters := d.letters()
	if len(letters) != 2 || !bytes.Equal(letters[0].Value, garbage.Value) || string(letters[1].Value) != "bomb" {
		t.Fatalf("%d letters", len(letters))
	}
	first := letters[0]
	if first.Header("reason") != "unreadable" || first.Header("source") != "inbound/3/"+strconv.FormatInt(garbage.Offset, 10) || first.Header("v") != "1" ||
		first.Header("received_at") != garbage.Header("received_at") || first.Header("app") != "main" || first.Header("holds") != "message" {
		t.Errorf("headers %v", first.Headers)
	}
	if letters[1].Header("holds") != "" {
		t.Error("what holds no message is no alarm")
	}
	if !slices.Equal(d.dead, []string{"unreadable", "unreadable"}) || strings.Count(d.log.String(), `"level":"error"`) != 1 {
		t.Errorf("counted %v, log %s", d.dead, d.log.String())
	}
}

// torn is a message that no decoder takes and in which a sender and words can be seen.
func torn(d *desk, words string) stream.Record {
	return d.record([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"204700000000001","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"310100000000001"},` +
		`"messages":[{"from":"447700900101","id":"wamid.torn","timestamp":"1794300000","type":"text","text":{"body":"` + words + `"}`))
}

func TestAStopInWhatCannotBeDecodedIsFiled(t *testing.T) {
	d := newDesk(t)
	d.handle(torn(d, "Stop!"))
	c := d.change()
	if !c.Out || c.Marks[0].Source != optout.SourceSalvage || c.Marks[0].List != "default" || c.Who[0].ID != ada || c.Marks[0].At != sent.UnixMilli() || c.Confirm == nil {
		t.Errorf("change %+v", c)
	}
	if letters := d.letters(); len(letters) != 1 || letters[0].Header("reason") != "unreadable" || letters[0].Header("holds") != "message" {
		t.Errorf("letters %v", letters)
	}
	if events := of[inbound.Event](d, stream.Events); len(events) != 1 || !events[0].Done.Salvaged {
		t.Errorf("events %+v", events)
	}
	for _, words := range []string{"start", "hello", "don't stop"} {
		d := newDesk(t)
		d.handle(torn(d, words))
		if len(d.changes()) != 0 || len(d.letters()) != 1 {
			t.Errorf("%q: %d changes, %d letters", words, len(d.changes()), len(d.letters()))
		}
	}
}

func TestAnUndeclaredNumberGoesToDeadWithoutAlarm(t *testing.T) {
	d := newDesk(t)
	for _, name := range []string{"text_stop", "status_failed_131050", "messenger_text"} {
		body := bytes.ReplaceAll(bytes.ReplaceAll(d.body(name), []byte("310100000000001"), []byte("999")), []byte("100200300400500"), []byte("999"))
		d.handle(d.records(body)...)
	}
	if letters := d.letters(); len(letters) != 3 || letters[0].Header("reason") != "unknown_channel" || letters[0].Header("holds") != "" || len(d.published) != 3 {
		t.Errorf("letters %v of %d records", letters, len(d.published))
	}
	if strings.Contains(d.log.String(), `"level":"error"`) {
		t.Error("an alarm")
	}
}

func TestWhatConcernsNoNumberIsToldAllTheSame(t *testing.T) {
	d := newDesk(t)
	d.hear("unknown_field", "account_update_disabled")
	events := of[inbound.Event](d, stream.Events)
	if len(events) != 2 || events[0].Account != "" || events[0].Item.Field != "some_future_field" || events[0].ID == events[1].ID || len(d.letters()) != 0 {
		t.Errorf("events %+v", events)
	}
}

func TestAHandlerThatPanicsLosesNothing(t *testing.T) {
	// Each makes the first item panic and leaves the second alone.
	for name, breaks := range map[string]func(d *desk){
		"while it is routed": func(d *desk) {
			whole := d.h.Directory
			decode := d.h.Decode
			d.h.Decode = func(value []byte) (chat.Inbound, error) {
				d.h.Directory = whole
				if bytes.Contains(value, []byte("STOP")) {
					d.h.Directory = nil
				}
				return decode(value)
			}
		},
		"while its words are heard": func(d *desk) {
			d.h.Now = func() time.Time {
				d.h.Now = func() time.Time { return d.now }
				panic("velvet otter")
			}
		},
	} {
		d := newDesk(t)
		breaks(d)
		d.hear("text_stop", "status_biz_opaque")
		letters := d.letters()
		if len(letters) != 1 || letters[0].Header("reason") != "handler_failed" || letters[0].Header("holds") != "message" {
			t.Errorf("%s: letters %v", name, letters)
		}
		if events := of[inbound.Event](d, stream.Events); len(events) != 1 || events[0].Item.Kind != chat.KindReceipt || len(d.published) != 2 {
			t.Errorf("%s: events %v of %d records", name, events, len(d.published))
		}
	}
}

func TestAHugeEventLeavesItsTextToInbound(t *testing.T) {
	d := newDesk(t)
	d.handle(d.records(bytes.ReplaceAll(d.body("text_stop"), []byte(`"STOP"`), []byte(`"`+strings.Repeat("x", 2<<20)+`"`)))...)
	for _, r := range d.published {
		if r.Topic == stream.Events && len(r.Value) > 3<<20 {
			t.Errorf("an event of %d bytes", len(r.Value))
		}
	}
	if len(of[inbound.Event](d, stream.Events)) != 1 {
		t.Error("no event")
	}
}

func TestAnItemNestedTooDeepIsToldWithoutItsBytes(t *testing.T) {
	for brackets, told := range map[string]bool{
		strings.Repeat("[", 11_000) + strings.Repeat("]", 11_000): false,
		"[" + strings.Repeat("[],", 11_000) + "[]]":               true, // wide
	} {
		d := newDesk(t)
		d.handle(d.records(bytes.Replace(d.body("text_stop"), []byte(`"type"`), []byte(`"odd":`+brackets+`,"type"`), 1))...)
		events := of[inbound.Event](d, stream.Events)
		if len(events) != 1 || (events[0].Item.Raw != nil) != told || len(d.changes()) != 1 || len(d.letters()) != 0 {
			t.Errorf("%.20s: %d events, %d changes, %d letters", brackets, len(events), len(d.changes()), len(d.letters()))
		}
	}
}

func TestNothingPersonalIsLogged(t *testing.T) {
	d := newDesk(t)
	d.hear("text_stop", "standby_message_stop", "user_preferences_stop", "system_user_changed_number", "status_failed_131050", "messenger_text", "history_threads", "bsuid_and_phone", "unknown_field")
	d.handle(torn(d, "velvet otter"))
	secret := d.h.Decode
	d.h.Decode = func(value []byte) (chat.Inbound, error) { panic("velvet otter " + string(value)) }
	d.hear("text_stop")
	d.h.Decode = secret
	for _, personal := range []string{"4477009", "GB.9021", "wamid", "STOP", "velvet", "Ada", "aWdf", "m_composed"} {
		if strings.Contains(d.log.String(), personal) {
			t.Errorf("%q stands in the log:\n%s", personal, d.log.String())
		}
	}
	if strings.Count(d.log.String(), "\n") != len(d.items) {
		t.Errorf("%d lines for %d items", strings.Count(d.log.String(), "\n"), len(d.items))
	}
}

// FuzzHandle holds that whatever stands in inbound, it is told or put to dead, and never stops its partition.
func FuzzHandle(f *testing.F) {
	seeds := newDesk(f)
	for _, name := range []string{"text_stop", "status_failed_131050", "system_user_changed_number", "messenger_text", "unknown_field"} {
		f.Add(seeds.body(name))
	}
	f.Add(torn(seeds, "stop").Value)
	f.Fuzz(func(t *testing.T, value []byte) {
		d := newDesk(t)
		d.handle(d.record(value))
		if len(d.letters())+len(of[inbound.Event](d, stream.Events)) == 0 {
			t.Error("a record without a trace")
		}
	})
}
