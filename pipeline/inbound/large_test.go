package inbound_test

import (
	"bytes"
	"strings"
	"testing"

	"optgate/pipeline/inbound"
	"optgate/pipeline/stream"
)

// What one item makes must fit into its topics, however an item is made: a record that Kafka refuses would stop its partition.
func TestWhatOneItemMakesFitsIntoItsTopics(t *testing.T) {
	long := strings.Repeat("<", 900<<10) // six bytes each in JSON
	for name, change := range map[string][2]string{
		"text_stop":                  {`"STOP"`, `"` + long + `"`},
		"image_caption_stop":         {`"wamid.`, `"` + long},
		"status_failed_131050":       {`"code"`, `"title":"` + long + `","code"`},
		"status_biz_opaque":          {`"wamid.`, `"` + long},
		"system_user_changed_number": {`"wamid.`, `"` + long},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			body := bytes.Replace(d.body(name), []byte(change[0]), []byte(change[1]), 1)
			if len(body) < len(long) {
				t.Fatal("nothing was changed")
			}
			body = bytes.Replace(body, []byte(`"camp=7;rcpt=000123"`), []byte(`"acme/b1/1/b1.1"`), 1)
			d.handle(d.records(body)...)
			for _, r := range d.published {
				if len(r.Value)+len(r.Key) > 4<<20-1000 {
					t.Errorf("a record of %s has %d bytes", r.Topic, len(r.Value))
				}
			}
			if len(of[inbound.Event](d, stream.Events)) != 1 {
				t.Error("no event")
			}
		})
	}
}
