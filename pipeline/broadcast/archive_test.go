package broadcast_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"optgate/pipeline/broadcast"
	"optgate/pipeline/chat"
	"optgate/pipeline/stream"
)

// Rows gives what the report of the world holds.
func (w *world) Rows(_ context.Context, b broadcast.Broadcast, numbers []int) (rows []broadcast.Outcome, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost {
		return nil, errCut
	}
	for _, n := range numbers {
		rows = append(rows, broadcast.Outcome{}.Fold(w.rows[b.Ref()][n]))
	}
	return rows, nil
}

// runFor runs a runner for a while.
func (w *world) runFor(d time.Duration) {
	stop := w.run()
	time.Sleep(d)
	stop()
}

// archived reads a broadcast's rows back as its report does: the pages in their order, then what was told later.
func (w *world) archived(r broadcast.Ref) (b broadcast.Broadcast, rows []broadcast.ArchivedRow) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if b = w.broadcast(w.t, r); b.Archived == nil {
		w.t.Fatal("its rows are nowhere")
	}
	page := 0
	for _, record := range w.outcomes[b.Archived.From:b.Archived.To] {
		p, err := broadcast.ParseArchivedPage(r, record)
		must(w.t, err)
		if p != nil && p.Page == page {
			rows = append(rows, p.Rows...)
			page++
		}
	}
	if page != b.Archived.Pages {
		w.t.Fatalf("%d pages of %d", page, b.Archived.Pages)
	}
	for _, record := range w.outcomes[b.Archived.From:] {
		var f chat.Fact
		if json.Unmarshal(record.Value, &f) == nil && b.About(f) {
			rows[f.Row-1].Outcome = rows[f.Row-1].Fold(f)
		}
	}
	return b, rows
}

// A day after its end a broadcast's report is the same, read from outcomes; its pages go, and after 28 days it does. Neither two
// runners at once, nor crashes at any point, nor commands that got through and seemed lost, nor a lost report change that.
func TestTheReportOfABroadcastThatIsLongOverIsTheSame(t *testing.T) {
	for _, trouble := range []struct {
		name string
		run  func(w *world)
	}{
		{"none", func(w *world) { w.runFor(5 * time.Minute) }},
		{"two runners", func(w *world) {
			defer w.run()()
			w.runFor(5 * time.Minute)
		}},
		{"crashes", func(w *world) {
			for n := range time.Duration(30) {
				stop := w.run()
				time.Sleep(n * 50 * time.Millisecond)
				w.mu.Lock()
				w.refuse = 1
				w.mu.Unlock()
				time.Sleep(n * 50 * time.Millisecond)
				stop()
			}
			w.runFor(5 * time.Minute)
		}},
		{"a lost report", func(w *world) {
			stop := w.run()
			for range 20 {
				time.Sleep(600 * time.Millisecond)
				w.wipe()
			}
			stop()
			w.runFor(5 * time.Minute)
		}},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				ref := w.plan(people(1700))
				w.lane = func(m chat.Outbound) chat.Status { return []chat.Status{chat.Sent, chat.Failed, chat.Unknown}[m.Row%3] }
				w.runFor(10 * time.Minute)
				status, _ := w.after(0, ref)
				if status != broadcast.Finished {
					t.Fatal(status)
				}
				w.mu.Lock()
				before := map[int]broadcast.Outcome{}
				for n, f := range w.rows[ref] {
					before[n] = broadcast.Outcome{}.Fold(f)
				}
				first := w.page(ref, 0).Rows[0]
				w.mu.Unlock()
				time.Sleep(broadcast.Kept)
				trouble.run(w)

				w.mu.Lock()
				w.append(fact(t, ref.ID, 1, chat.Read)) // long after
				w.mu.Unlock()
				before[1] = before[1].Fold(chat.Fact{Status: chat.Read})
				w.runFor(time.Minute)
				b, rows := w.archived(ref)
				after := map[int]broadcast.Outcome{}
				for i, row := range rows {
					if row.N != i+1 {
						t.Fatalf("row %d is number %d", i, row.N)
					}
					after[row.N] = row.Outcome
				}
				if diff := cmp.Diff(before, after); diff != "" {
					t.Error(diff)
				}
				if rows[0].To != first.To.Shown() || rows[0].Given != first.Given || rows[0].Line != 1 {
					t.Errorf("%+v", rows[0])
				}
				n := 0
				for _, c := range b.Archived.Counts {
					n += c.N
				}
				if n != b.Audience || !b.Message.IsZero() {
					t.Errorf("%d rows are counted; the message is %v", n, b.Message)
				}
				if page, at := b.Archived.Row(1); page != 0 || at.Row != 1 || string(w.outcomes[at.Offset].Key) != ref.ID {
					t.Errorf("mark %d %+v", page, at)
				}
				if w.states[ref.PageKey(0)] != nil || w.states[ref.PageKey(3)] != nil || w.rows[ref] != nil {
					t.Error("pages or rows are left")
				}
				for _, f := range []struct {
					after time.Duration
					want  broadcast.Status
				}{{broadcast.KeptArchived - 2*broadcast.Kept, broadcast.Finished}, {3 * broadcast.Kept, ""}} {
					time.Sleep(f.after)
					w.runFor(time.Minute)
					if status, _ := w.after(0, ref); status != f.want {
						t.Errorf("%s later: %q", f.after, status)
					}
				}
			})
		})
	}
}

func FuzzParseArchivedPage(f *testing.F) {
	f.Add("b1", []byte(`{"v":1,"kind":"archive","account":"acme","broadcast":"b1","page":0,"rows":[{"n":1,"line":1,"status":"Sent"}]}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		ref := broadcast.Ref{Account: "acme", ID: "b1"}
		p, err := broadcast.ParseArchivedPage(ref, stream.Record{
			Key: []byte(key), Value: value, Headers: []stream.Header{{Key: stream.HeaderType, Value: stream.TypeArchive}},
		})
		if p != nil && (err != nil || p.Account != "acme" || p.Broadcast != "b1" || key != "b1") {
			t.Errorf("%+v %v", p, err)
		}
	})
}
