package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"optgate/gateway/api"
	"optgate/gateway/meta"
	"optgate/pipeline/chat"
	"optgate/pipeline/fault"
	"optgate/pipeline/optout"
	"optgate/pipeline/shard"
	"optgate/pipeline/stream"
)

// kept is what the ledger's proof and replays stand on.
func (w *world) kept() api.KeptOptions {
	return api.KeptOptions{
		Decode: meta.Decode, Salvage: meta.Salvage,
		Since: func(_ context.Context, topic stream.Topic, partition int, t time.Time) (int64, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			log := w.logs[topic][partition]
			if at := slices.IndexFunc(log, func(r stream.Record) bool { return !r.Time.Before(t) }); at >= 0 {
				return int64(at), nil
			}
			return int64(len(log)), nil
		},
	}
}

// enter writes a row into the ledger, chained, and the cursor of its decision into state, as the shard's owner would.
func (w *world) enter(row *stream.Record) {
	log, chain := w.logs[stream.Consent][row.Partition], shard.NewChain("here", row.Partition)
	for i := range log {
		if shard.IsRow(&log[i]) {
			chain = chain.After(&log[i])
		}
	}
	row.Offset, row.Time = int64(len(log)), now
	row.Headers = append(row.Headers, stream.Header{Key: shard.HeaderChain, Value: chain.After(row).String()})
	w.logs[stream.Consent][row.Partition] = append(log, *row)
	cursor, err := json.Marshal(shard.Cursor{V: 1, Ledger: row.Offset + 1, Chain: chain.After(row).String()})
	if err != nil {
		panic(err)
	}
	state := &w.logs[stream.State][row.Partition]
	if len(*state) == 0 {
		*state = append(*state, stream.Record{Topic: stream.State, Partition: row.Partition, Key: []byte(shard.InstallationKey), Value: []byte(`{"v":1,"installation":"here"}`)})
	}
	*state = append(*state, stream.Record{Topic: stream.State, Partition: row.Partition, Offset: int64(len(*state)), Key: []byte(shard.CursorKey), Value: cursor})
}

// phoneAt makes the nth phone that lives in a shard.
func phoneAt(account string, at, n int) chat.Identifier {
	for i := 0; ; i++ {
		id := chat.Identifier(fmt.Sprintf("phone:4477009%05d", i))
		if shards.Of(key(account).Pseudonym(id)) != at {
			continue
		}
		if n == 0 {
			return id
		}
		n--
	}
}

// stops fills the ledger: people of both shards and accounts opt out, in turns.
func (w *world) stops(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		w.stop(t, "acme", now.Add(time.Duration(i)*time.Minute), phoneAt("acme", i%2, i/2))
		w.stop(t, "globex", now.Add(time.Duration(i)*time.Minute), phoneAt("globex", i%2, i/2))
	}
}

func verdicts(t *testing.T, r reply) (all []optout.Verdict) {
	t.Helper()
	for line := range bytes.Lines(r.is(200, "").body) {
		var v optout.Verdict
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func TestTheLedgerIsProvedFromItsLogs(t *testing.T) {
	w := newWorld(t, nil)
	for _, v := range verdicts(t, w.call(t, "operator", "GET", "/v1/ledger/verify", "")) {
		if !v.OK || v.Rows != 0 {
			t.Errorf("an empty one: %+v", v)
		}
	}
	w.stops(t, 10)
	all := verdicts(t, w.call(t, "operator", "GET", "/v1/ledger/verify", ""))
	if len(all) != 2 || !all[0].OK || !all[1].OK || all[0].Rows+all[1].Rows != 20 {
		t.Fatalf("%+v", all)
	}
	heads := w.call(t, "operator", "GET", "/v1/ledger/heads", "").is(200, "").body
	if n := bytes.Count(heads, []byte("\n")); n != 2 || !bytes.Contains(heads, []byte(`"day":"2026-11-22"`)) {
		t.Errorf("heads %s", heads)
	}
	if len(w.call(t, "operator", "GET", "/v1/ledger/heads?since=2026-11-23", "").is(200, "").body) != 0 {
		t.Error("heads of a day that has not come")
	}
	for _, v := range verdicts(t, w.call(t, "operator", "POST", "/v1/ledger/verify", string(heads), "Content-Type", "application/x-ndjson")) {
		if !v.OK || v.Heads != 1 {
			t.Errorf("against its heads: %+v", v)
		}
	}
	logged := `{"level":"info","partition":1,"day":"2026-11-22","offset":9,"chain":"` + all[1].Head + `","time":"2026-11-23T00:00:00Z","message":"ledger head"}`
	if all = verdicts(t, w.call(t, "operator", "POST", "/v1/ledger/verify", logged, "Content-Type", "application/x-ndjson")); all[1].Heads != 1 {
		t.Errorf("against a line of the log: %+v", all)
	}
	w.logs[stream.Consent][1] = slices.Delete(w.logs[stream.Consent][1], 9, 10) // the last row
	all = verdicts(t, w.call(t, "operator", "GET", "/v1/ledger/verify", ""))
	if !all[0].OK || all[1].OK || !strings.Contains(all[1].Problem.What, "at the end were removed") {
		t.Errorf("%+v %+v", all, all[1].Problem)
	}
	w.logs[stream.State][1] = w.logs[stream.State][1][:10] // and the decision that knew it
	if all = verdicts(t, w.call(t, "operator", "GET", "/v1/ledger/verify", "")); !all[1].OK {
		t.Errorf("%+v", all)
	}
	if all = verdicts(t, w.call(t, "operator", "POST", "/v1/ledger/verify", string(heads), "Content-Type", "application/x-ndjson")); all[1].OK {
		t.Errorf("against heads that were kept: %+v", all)
	}
	w.logs[stream.Consent][0][3].Value[7] ^= 1
	if all = verdicts(t, w.call(t, "operator", "GET", "/v1/ledger/verify", "")); all[0].OK || all[0].Problem.Offset != 3 {
		t.Errorf("%+v", all)
	}
}

func TestWhatIsNoHeadIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	chain := strings.Repeat("0", 64)
	for _, body := range []string{
		"{", "[]", "7", `{"partition":0,"offset":1}`, `{"offset":1,"chain":"` + chain + `"}`, `{"partition":0,"chain":"` + chain + `"}`, `{"partition":2,"offset":1,"chain":"` + chain + `"}`,
		`{"partition":-1,"offset":1,"chain":"` + chain + `"}`, `{"partition":0,"offset":-1,"chain":"` + chain + `"}`, `{"partition":0,"offset":1,"chain":"x"}`,
	} {
		w.call(t, "operator", "POST", "/v1/ledger/verify", body, "Content-Type", "application/x-ndjson").is(422, "not_a_head")
	}
	for _, none := range []string{"", "\n"} {
		if all := verdicts(t, w.call(t, "operator", "POST", "/v1/ledger/verify", none, "Content-Type", "application/x-ndjson")); len(all) != 2 || !all[0].OK {
			t.Errorf("no heads: %+v", all)
		}
	}
	w.call(t, "operator", "GET", "/v1/ledger/heads?since=yesterday", "").is(400, "invalid_field")
	for _, path := range []string{"/v1/ledger/verify", "/v1/ledger/heads"} {
		w.call(t, "acme-admin", "GET", path, "").is(403, "forbidden")
	}
}

func TestTheLedgerIsExported(t *testing.T) {
	w := newWorld(t, nil)
	w.stops(t, 10)
	w.say(t, "acme", false, now.Add(time.Hour), phoneAt("acme", 0, 0))
	erased := key("acme").Pseudonym(phoneAt("acme", 1, 0))
	delete(w.states[1], optout.PersonKey("acme", erased))
	type row struct {
		Partition                                                           int
		Offset, Prev                                                        int64
		To, Pseudonym, List, Channel, Was, Became, Chain, Cause, Time, Rule string
	}
	export := func(query string) (rows []row) {
		t.Helper()
		for line := range bytes.Lines(w.call(t, "acme-admin", "GET", "/v1/ledger?"+query, "").is(200, "").body) {
			var r row
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, r)
		}
		return rows
	}
	rows := export("")
	if len(rows) != 11 || !slices.IsSortedFunc(rows, func(a, b row) int { return a.Partition*1000 + int(a.Offset) - b.Partition*1000 - int(b.Offset) }) {
		t.Fatalf("%d rows: %+v", len(rows), rows)
	}
	for _, r := range rows {
		kept := w.logs[stream.Consent][r.Partition][r.Offset]
		if gone := r.Pseudonym == erased.String(); gone != (r.To == "") || r.Chain != kept.Header("chain") || r.Cause != kept.Header("cause") || r.List != "default" {
			t.Errorf("%+v", r)
		}
	}
	if r := rows[5]; r.Was != "out" || r.Became != "in" || r.Prev != rows[0].Offset || r.To != phoneAt("acme", 0, 0).Shown() || r.Time != "2026-11-22T13:00:00Z" {
		t.Errorf("%+v", r)
	}
	one := export("to=" + strings.Replace(phoneAt("acme", 0, 0).Shown(), "+", "%2B", 1))
	if len(one) != 2 {
		t.Errorf("of one person %+v", one)
	}
	for query, want := range map[string]int{
		"list=news": 0, "list=default": 11, "since=2026-11-22": 11, "since=2026-11-23": 0, "until=2026-11-22T12:00:00Z": 0, "since=1h": 11, "to=someone%40example.com": 0,
	} {
		if n := len(export(query)); n != want {
			t.Errorf("%s: %d rows", query, n)
		}
	}
	table, err := csv.NewReader(bytes.NewReader(w.call(t, "acme-admin", "GET", "/v1/ledger?format=csv", "").is(200, "").body)).ReadAll()
	if err != nil || len(table) != 12 || len(table[0]) != 19 || table[0][18] != "chain" || table[1][5] != rows[0].To {
		t.Errorf("%v %v", err, table)
	}
	for _, query := range []string{"format=xml", "since=soon", "until=7", "since=99999999d"} {
		w.call(t, "acme-admin", "GET", "/v1/ledger?"+query, "").is(400, "invalid_field")
	}
	w.call(t, "acme-admin", "GET", "/v1/ledger?to=nobody", "").is(422, "invalid_field")
	w.call(t, "acme-read", "GET", "/v1/ledger", "").is(403, "forbidden")
	w.call(t, "operator", "GET", "/v1/ledger", "").is(403, "forbidden")
	w.call(t, "nobody-admin", "GET", "/v1/ledger", "").is(404, "unknown_account")
}

// A stream can't be told "try again": it waits until the people's states can be known.
func TestAnExportWaitsForTheView(t *testing.T) {
	asked := 0
	var w *world
	w = newWorld(t, func(o *api.Options) {
		o.States = statesOf(func(ctx context.Context, at int, keys ...string) ([][]byte, error) {
			if asked++; asked < 3 {
				return nil, fault.New(fault.NotCertain, "not_certain", "wait")
			}
			return w.States(ctx, at, keys...)
		})
	})
	w.stop(t, "acme", now, phoneAt("acme", 0, 0))
	if rows := w.call(t, "acme-admin", "GET", "/v1/ledger", "").is(200, "").body; !bytes.Contains(rows, []byte(`"to":"+44`)) {
		t.Errorf("%s", rows)
	}
}

type statesOf func(ctx context.Context, at int, keys ...string) ([][]byte, error)

func (f statesOf) States(ctx context.Context, at int, keys ...string) ([][]byte, error) {
	return f(ctx, at, keys...)
}

// endless is a ledger of a million rows that are made as they are read.
type endless struct {
	*world
	made *atomic.Int64
}

func (e endless) Ends(context.Context, stream.Topic, int) (first, end int64, err error) {
	return 0, 1_000_000, nil
}

func (e endless) Read(ctx context.Context, topic stream.Topic, partition int, from, to int64, each func(stream.Record) error) error {
	value, err := json.Marshal(optout.Row{V: 1, Account: "acme", Pseudonym: 1, List: "default", Channel: "wa", From: "in", To: "out", Time: 1, Prev: -1})
	for at := from; at < to && err == nil; at++ {
		e.made.Add(1)
		err = errors.Join(ctx.Err(), each(stream.Record{Topic: topic, Partition: partition, Offset: at, Time: now, Key: []byte("1"), Value: value}))
	}
	return err
}

// An export holds no more in memory than a batch: it reads no faster than it is read, and ends when its reader goes away.
func TestAnExportReadsNoFasterThanItIsRead(t *testing.T) {
	made := &atomic.Int64{}
	w := newWorld(t, func(o *api.Options) { o.Topics = endless{o.Topics.(*world), made} })
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/v1/ledger", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer acme-admin")
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // the reader leaves
	if _, err := bufio.NewReader(answer.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	still, tick := 0, time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for last := int64(-1); still < 10; <-tick.C { // what the sockets take
		if n := made.Load(); n == last {
			still++
		} else {
			still, last = 0, n
		}
	}
	if n := made.Load(); n > 100_000 {
		t.Errorf("%d rows were read for who has read one", n)
	}
}
