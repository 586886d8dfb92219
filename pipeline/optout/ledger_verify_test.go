package optout

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"optgate/pipeline/chat"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// ledgerOf makes a ledger's log: people who opt out and in again, in turns, with a claim now and then. It is chained.
func ledgerOf(t testing.TB, rows, people int) []stream.Record {
	t.Helper()
	var log []stream.Record
	last := map[int]int64{}
	start := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for n := range rows {
		if n%7 == 0 {
			log = append(log, stream.Record{Topic: stream.Consent, Key: []byte("claim"), Value: []byte(`{"v":1}`)})
		}
		who := n % people
		row := Row{V: 1, Account: "acme", Pseudonym: chat.Pseudonym(who + 1), List: "default", Channel: "wa", From: StandingIn, To: StandingOut, Time: 1, Prev: NoRow}
		if before, again := last[who]; again {
			row.Prev = before
		}
		last[who] = int64(len(log))
		value, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, stream.Record{
			Topic: stream.Consent, Key: []byte(row.Pseudonym.String()), Value: value,
			Headers: []stream.Header{{Key: "v", Value: "1"}, {Key: shard.HeaderCause, Value: fmt.Sprintf("%d.0", n)}},
		})
	}
	for i := range log {
		log[i].Time = start.Add(time.Duration(i) * time.Hour)
	}
	return chained(log)
}

// chained gives a copy of a log with offsets and chains as an owner would have written them.
func chained(log []stream.Record) []stream.Record {
	log = copied(log)
	chain := shard.NewChain("here", 0)
	for i := range log {
		r := &log[i]
		r.Offset = int64(i)
		if shard.IsRow(r) {
			chain = chain.After(r)
			r.Headers = append(r.Headers[:2:2], stream.Header{Key: shard.HeaderChain, Value: chain.String()})
		}
	}
	return log
}

func copied(log []stream.Record) []stream.Record {
	log = slices.Clone(log)
	for i := range log {
		log[i].Value, log[i].Headers = bytes.Clone(log[i].Value), slices.Clone(log[i].Headers)
	}
	return log
}

// cursorOf is what the last decision of a log's owner said.
func cursorOf(log []stream.Record) shard.Cursor {
	return shard.Cursor{V: 1, Ledger: int64(len(log)), Chain: log[len(log)-1].Header(shard.HeaderChain)}
}

// headsOf gives the head of each day.
func headsOf(log []stream.Record) (heads []Head) {
	var days Days
	for i := range log {
		if h, ended := days.Take(&log[i]); ended {
			heads = append(heads, h)
		}
	}
	if h, there := days.End(); there {
		heads = append(heads, h)
	}
	return heads
}

func verify(t testing.TB, log []stream.Record, cursor shard.Cursor, heads []Head, most int) Verdict {
	t.Helper()
	v := NewVerifier("here", 0, cursor, heads, func(_ context.Context, offset int64) (stream.Record, error) {
		for _, r := range log {
			if r.Offset == offset {
				return r, nil
			}
		}
		return stream.Record{}, stream.ErrTruncated
	})
	v.most = most
	for i := range log {
		if err := v.Take(t.Context(), &log[i]); err != nil {
			t.Fatal(err)
		}
	}
	return v.End(log[len(log)-1].Offset + 1)
}

func TestAWholeLedgerIsFoundWhole(t *testing.T) {
	log := ledgerOf(t, 200, 9)
	heads := headsOf(log)
	for name, most := range map[string]int{"all entries remembered": entriesSeen, "few": 3} {
		got := verify(t, log, cursorOf(log), heads, most)
		if !got.OK || got.Problems != 0 || got.Rows != 200 || got.FirstRow != 1 || got.LastRow != int64(len(log)-1) ||
			got.Heads != len(heads) || got.Unchained != 0 || got.Head != cursorOf(log).Chain {
			t.Errorf("%s: %+v %+v", name, got, got.Problem)
		}
	}
	if len(heads) != 10 || heads[0].Day != "2026-11-20" || heads[0].Offset != 23 || heads[9].Offset != int64(len(log)-1) {
		t.Errorf("heads %+v", heads)
	}
	old := copied(log)
	for i := range 100 { // from before there were chains
		old[i].Headers = old[i].Headers[:min(2, len(old[i].Headers))]
	}
	if got := verify(t, old, cursorOf(log), nil, entriesSeen); !got.OK || got.Unchained == 0 {
		t.Errorf("with rows from before: %+v", got)
	}
	if got := NewVerifier("here", 0, shard.Cursor{}, nil, nil).End(0); !got.OK || got.Rows != 0 || got.FirstRow != NoRow {
		t.Errorf("an empty one: %+v", got)
	}
}

// Each way of cheating with a copy of a log shows, at the place where it was done.
func TestTamperingShows(t *testing.T) {
	whole := ledgerOf(t, 60, 9)
	heads, cursor := headsOf(whole), cursorOf(whole)
	shifted := func(log []stream.Record) []stream.Record { // as it is after it was written to another Kafka
		for i := range log {
			log[i].Offset = int64(i)
		}
		return log
	}
	for name, c := range map[string]struct {
		tamper func(log []stream.Record) []stream.Record
		what   string
	}{
		"changed byte":        {func(l []stream.Record) []stream.Record { l[30].Value[9] ^= 1; return l }, "chain breaks"},
		"changed key":         {func(l []stream.Record) []stream.Record { l[30].Key = []byte("7"); return l }, "chain breaks"},
		"changed cause":       {func(l []stream.Record) []stream.Record { l[30].Headers[1].Value = "900.0"; return l }, "chain breaks"},
		"changed chain":       {func(l []stream.Record) []stream.Record { l[30].Headers[2].Value = strings.Repeat("0", 64); return l }, "chain breaks"},
		"removed row, gap":    {func(l []stream.Record) []stream.Record { return slices.Delete(l, 30, 31) }, "chain breaks"},
		"removed row, closed": {func(l []stream.Record) []stream.Record { return shifted(slices.Delete(l, 30, 31)) }, "chain breaks"},
		"added row":           {func(l []stream.Record) []stream.Record { return shifted(slices.Insert(l, 30, l[29])) }, "chain breaks"},
		"swapped rows":        {func(l []stream.Record) []stream.Record { l[30], l[31] = l[31], l[30]; return shifted(l) }, "chain breaks"},
		"a claim for a row":   {func(l []stream.Record) []stream.Record { l[30].Key = []byte("claim"); return l }, "chain breaks"},
		"removed beginning":   {func(l []stream.Record) []stream.Record { return l[10:] }, "chain breaks"},
		"removed tail":        {func(l []stream.Record) []stream.Record { return l[:50] }, "at the end were removed"},
		"removed last row":    {func(l []stream.Record) []stream.Record { return l[:len(l)-1] }, "at the end were removed"},
		"another installation": {func(l []stream.Record) []stream.Record {
			l[1].Headers[2].Value = shard.NewChain("there", 0).After(&l[1]).String()
			return l
		}, "chain breaks"},
		"chained anew": {func(l []stream.Record) []stream.Record {
			return chained(slices.Delete(l, 30, 31))
		}, "does not point"},
		"stripped of chains and changed": {func(l []stream.Record) []stream.Record {
			for i := range l {
				l[i].Headers = l[i].Headers[:min(2, len(l[i].Headers))]
			}
			backdate(&l[30])
			return l
		}, "rows up to here were changed"},
	} {
		got := verify(t, c.tamper(copied(whole)), cursor, heads, entriesSeen)
		if got.OK || got.Problem == nil || !strings.Contains(got.Problem.What, c.what) {
			t.Errorf("%s: %+v %+v", name, got, got.Problem)
		}
		rows := name != "changed chain" && name != "another installation" // else all that is wrong is what a row says of its chain
		if rows && c.what == "chain breaks" && (got.Heads > 1 || got.Head == cursor.Chain) {
			t.Errorf("%s: %d heads stand, the last is %s", name, got.Heads, got.Head)
		}
	}
	// Whoever may write to Kafka adds a row, and the next owner goes on from it: what no owner wrote shows no chain.
	added := copied(whole)
	added[30].Headers = added[30].Headers[:2]
	if got := verify(t, added, cursor, heads, entriesSeen); got.OK || got.Problems != 1 || got.Problem.Offset != added[30].Offset || got.Unchained != 1 {
		t.Errorf("a row among those of owners: %+v %+v", got, got.Problem)
	}
	// Only heads that were kept tell of a forger who computes all hashes anew and writes state anew, too.
	forged := copied(whole)
	backdate(&forged[30])
	forged = chained(forged)
	if got := verify(t, forged, cursorOf(forged), heads, entriesSeen); got.OK || got.Problem.Offset != heads[1].Offset || got.Heads != 1 {
		t.Errorf("a forgery against heads that were kept: %+v %+v", got, got.Problem)
	}
}

// backdate changes what a row says, and nothing that could be seen in the row alone.
func backdate(r *stream.Record) {
	r.Value = bytes.Replace(r.Value, []byte(`"time":1`), []byte(`"time":0`), 1)
}

// Pointers that lead elsewhere show although every chain is right: whoever wrote the rows wrote them so.
func TestPointersThatLeadElsewhereShow(t *testing.T) {
	for name, prev := range map[string]int64{"another's row": 21, "an older one of its own": 1, "itself": 41, "later": 50, "nonsense": -7} {
		for _, most := range []int{entriesSeen, 2} {
			log := ledgerOf(t, 60, 9)
			var row Row
			if err := json.Unmarshal(log[41].Value, &row); err != nil {
				t.Fatal(err)
			}
			row.Prev = prev
			value, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			log[41].Value = value
			log = chained(log)
			got := verify(t, log, cursorOf(log), nil, most)
			if name == "an older one of its own" && most == 2 {
				continue // who remembers few entries can't tell
			}
			if got.OK || got.Problem.Offset != 41 {
				t.Errorf("%s, %d remembered: %+v %+v", name, most, got, got.Problem)
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	log := ledgerOf(b, 10_000, 3_000)
	b.ReportAllocs()
	for b.Loop() {
		if got := verify(b, log, cursorOf(log), nil, entriesSeen); !got.OK {
			b.Fatalf("%+v", got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/row")
}
