package app_test

import (
	"encoding/json"
	"testing"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// TestArchivedRowsAreAsDocumented: they come a day after a broadcast's end, which no story lasts.
func TestArchivedRowsAreAsDocumented(t *testing.T) {
	document, err := asyncapi()
	if err != nil {
		t.Fatal(err)
	}
	f := func(topic, key string, value any, headers ...stream.Header) {
		t.Helper()
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		r := kept{Key: key, Value: raw, Headers: map[string]string{}}
		for _, h := range headers {
			r.Headers[h.Key] = h.Value
		}
		if name, err := document.check(topic, r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	ada := broadcast.Row{N: 1, To: "phone:447700900001", Given: "07700 900001"}
	outcome := broadcast.Outcome{
		Status: chat.Read, Error: "e", List: "l", Reason: "r", MessageID: "wamid.A", At: 4, Sent: 1, Delivered: 2, Read: 4, Failed: 3,
	}
	page := broadcast.ArchivedPage{
		V: 1, Kind: "archive", Account: "acme", Broadcast: "b1", Rows: []broadcast.ArchivedRow{broadcast.Archive(ada, outcome), {N: 2, Line: 2}},
		Repeats: []broadcast.Repeat{{Line: 3, Given: "+447700900001", Of: 1, First: 1, To: ada.To}},
	}
	f("outcomes", "b1", page, stream.CloudEvent(stream.TypeArchive, "acme", "b1/archive/0", 5)...)
	archived := broadcast.Archived{
		From: 7, To: 9, Pages: 1, Marks: []broadcast.Mark{{Row: 1, Offset: 8}}, Counts: []broadcast.Count{{Status: chat.Read, Error: "e", List: "l", N: 1}},
	}
	f("state", "broadcast/acme/b1", broadcast.Broadcast{
		V: 1, ID: "b1", Account: "acme", Status: broadcast.Finished, Archived: &archived,
	})
	body := struct {
		ID string `json:"id"`
		broadcast.Archived
	}{"b1", archived}
	f("commands", "", map[string]any{"v": 1, "id": "b1.archive.9", "kind": broadcast.KindArchive, "account": "acme", "made": 5, "body": body})
}
