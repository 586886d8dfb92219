package store

import (
	"strings"
	"testing"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
)

func FuzzRowsAreReadAsTheyWereWritten(f *testing.F) {
	f.Add("wamid.HBgMNDQ3NzAwOTAwNDYzFQIAERgSQjZFMkQxRkY5RjY0RTFCRjk1AA==", "131026 Undeliverable", "since", int64(1795341600007), int64(-5), true)
	f.Add("wamid.", "", "", int64(0), int64(0), false)
	f.Add("wamid.AB", "x", "", int64(7), int64(1), false)
	f.Fuzz(func(t *testing.T, id, failure, reason string, at, apart int64, whole bool) {
		o := broadcast.Outcome{Status: chat.Failed, Error: failure, List: "l", Reason: reason, MessageID: id, At: max(at, 0), Failed: max(at, 0)}
		if apart != 0 && at > 0 && (apart > 0 || at+apart > 0) && at+apart > 0 {
			o.Sent, o.Delivered, o.Read = at+apart, at, at
		}
		if strings.ContainsAny(id, "\r\n") {
			return // Fold leaves none
		}
		c := broadcast.Count{Status: o.Status, Error: o.Error, List: o.List}
		if !whole {
			c.Error = broadcast.Others(o.Error)
		}
		written := packRow(o, whole)
		read, err := unpackRow(written, c)
		if err != nil || read != o {
			t.Fatalf("%+v is read as %+v: %v", o, read, err)
		}
		if _, err := unpackRow(id+written, c); err != nil && err != errRow {
			t.Error(err)
		}
	})
}
