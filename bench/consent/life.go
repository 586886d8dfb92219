package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"optgate/bench/host"
)

// life is one loss of everything that Redis held, and what came before it.
type life struct {
	Entries  int     `json:"entries"`
	Import   float64 `json:"import"`    // seconds from the first byte of the file until every row is in force; 0: not in this life
	Upload   float64 `json:"upload"`    // of them until the request was answered
	Most     float64 `json:"most"`      // MiB that the gateway held at most, until then
	Rebuild  float64 `json:"rebuild"`   // seconds from the wipe until the gateway is certain of everybody again
	Asked    int     `json:"asked"`     // sends to people on the list that were asked for meanwhile
	Refused  int     `json:"refused"`   // of them, because the person has opted out
	Held     int     `json:"uncertain"` // of them, because nobody could know
	Accepted int     `json:"accepted"`  // of them, wrongly
}

// live runs a gateway on real servers, fills a list by an import, and wipes Redis.
func (r *results) live(ctx context.Context, dir, kafka, redis string, entries, lives int) error {
	g, err := host.Start(ctx, dir, fmt.Sprintf(configuration, filepath.Join(dir, "data"), kafka, redis, host.Token))
	if err != nil {
		return err
	}
	defer g.Stop()
	for n := range lives {
		one := life{Entries: entries}
		if n == 0 {
			if err := one.fill(ctx, g); err != nil {
				return err
			}
		}
		if err := one.lose(ctx, g, redis); err != nil {
			return err
		}
		r.Lives = append(r.Lives, one)
	}
	return nil
}

// configuration of a gateway whose channel has no access token: nothing leaves the machine.
const configuration = `data_dir: %q
public: {listen: "127.0.0.1:0"}
private: {listen: "127.0.0.1:0"}
prefix: consent.
kafka: {brokers: [%q], single_copy: accepted}
redis: {addresses: [%q]}
shards: 64
meta: {apps: [{id: main, verify_token: "none", secrets: ["none-but-as-long"]}]}
accounts:
  - id: bench
    tokens: [{name: bench, token: %q, scopes: [admin]}]
    channels: [{id: wa, kind: whatsapp, phone_number_id: "1", waba_id: "1", default_country: GB}]
limits: {api_per_minute: 1000000}
`

// phone writes the nth person on the list.
func phone(n int) string { return fmt.Sprintf("+4477%08d", n) }

// fill imports the list.
func (l *life) fill(ctx context.Context, g *host.Gateway) error {
	began := time.Now()
	file, into := io.Pipe()
	go func() {
		w := bufio.NewWriter(into)
		_, err := io.WriteString(w, "to,channel,at\n")
		for n := 0; n < l.Entries && err == nil; n++ {
			_, err = fmt.Fprintf(w, "%s,wa,2026-01-02T03:04:05Z\n", phone(n))
		}
		into.CloseWithError(errors.Join(err, w.Flush()))
	}()
	var said struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		Added  int    `json:"added"`
	}
	if status, err := g.Ask(ctx, http.MethodPost, "/v1/imports?list=default", "text/csv", file, &said); err != nil || status != http.StatusAccepted {
		return fmt.Errorf("import: %d, %w", status, err)
	}
	l.Upload = time.Since(began).Seconds()
	for said.Status != "finished" {
		if err := host.Wait(ctx, 50*time.Millisecond, began); err != nil {
			return fmt.Errorf("import: %s, %d added: %w", said.Status, said.Added, err)
		}
		if status, err := g.Ask(ctx, http.MethodGet, "/v1/imports/"+said.ID, "", nil, &said); err != nil || status != http.StatusOK {
			return fmt.Errorf("import: %d, %w", status, err)
		}
	}
	l.Import = time.Since(began).Seconds()
	if said.Added != l.Entries {
		return fmt.Errorf("%d of %d rows were added", said.Added, l.Entries)
	}
	var err error
	_, l.Most, err = host.MemoryOf(g.PID)
	return err
}

// lose wipes Redis, and asks for sends to people on the list until all is whole again.
func (l *life) lose(ctx context.Context, g *host.Gateway, redis string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", redis)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it was only asked
	began := time.Now()
	if _, err := io.WriteString(conn, "FLUSHALL\r\n"); err != nil {
		return err
	}
	answer := make([]byte, 16)
	if _, err := conn.Read(answer); err != nil {
		return err
	}
	for n := 0; ; n++ {
		ready, err := g.Ask(ctx, http.MethodGet, "/readyz", "", nil, nil)
		if err != nil {
			return err
		}
		if ready == http.StatusOK && l.Held > 0 {
			break
		}
		for i := range 10 {
			if err := l.send(ctx, g, n*7919+i*104_729); err != nil {
				return err
			}
		}
		if err := host.Wait(ctx, 5*time.Millisecond, began); err != nil {
			return fmt.Errorf("redis is not whole again: %w", err)
		}
	}
	l.Rebuild = time.Since(began).Seconds()
	for n := range 1000 { // all are there
		if err := l.send(ctx, g, n*(l.Entries/1000)); err != nil {
			return err
		}
	}
	if l.Accepted > 0 {
		return fmt.Errorf("%d sends to people on the list were accepted", l.Accepted)
	}
	return nil
}

// send asks for a message to somebody on the list.
func (l *life) send(ctx context.Context, g *host.Gateway, n int) error {
	body := fmt.Sprintf(`{"channel":"wa","category":"marketing","lists":["default"],"to":%q,"message":{"type":"text","text":{"body":"Hi"}}}`, phone(n%l.Entries))
	var said struct {
		Code string `json:"code"`
	}
	status, err := g.Ask(ctx, http.MethodPost, "/v1/messages", "application/json", bytes.NewReader([]byte(body)), &said)
	l.Asked++
	switch {
	case err != nil:
		return err
	case status == http.StatusUnprocessableEntity && said.Code == "opted_out":
		l.Refused++
	case status == http.StatusServiceUnavailable:
		l.Held++
	case status == http.StatusAccepted:
		l.Accepted++
	default:
		return fmt.Errorf("a send is answered %d %s", status, said.Code)
	}
	return nil
}
