package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"optgate/bench/host"
)

// planned is what it costs to take in recipients, and to ask who of them may be sent to.
type planned struct {
	Lists   int     `json:"lists"`
	Entries int     `json:"entries"` // of each list: every other recipient
	Bytes   int     `json:"bytes"`   // of the file
	Upload  float64 `json:"upload"`  // seconds, until its rows are kept
	Dry     float64 `json:"dry"`     // seconds of the dry run
	Go      int     `json:"go"`
	Skipped int     `json:"skipped"`
	Create  float64 `json:"create"` // seconds until the broadcast is decided
	Idle    float64 `json:"idle"`   // MiB that the gateway held before
	Most    float64 `json:"most"`   // MiB that it held at most since it started, imports of the lists included
	Redis   float64 `json:"redis"`  // members a second that redis-benchmark asks one set of a million for
	OfRedis float64 `json:"of_redis"`
}

// lists of every other recipient each.
const lists = 3

// csv writes a file of people, each step of them, and counts its bytes.
func csv(people, step int, columns, rest string) (file io.Reader, size *int) {
	out, into := io.Pipe()
	size = new(int)
	go func() {
		w := bufio.NewWriterSize(into, 1<<16)
		n, err := fmt.Fprintln(w, columns)
		*size += n
		for i := 0; i < people && err == nil; i += step {
			n, err = fmt.Fprintf(w, "%s,%s\n", phone(i), strings.ReplaceAll(rest, "N", strconv.Itoa(i)))
			*size += n
		}
		into.CloseWithError(errors.Join(err, w.Flush()))
	}()
	return out, size
}

// recipients are the columns of a broadcast's file.
const recipients, parameters = "to,name", "Ada N"

func (w *world) plan(ctx context.Context) (p planned, err error) {
	p.Lists, p.Entries = lists, (w.people+1)/2
	if p.Redis, err = askRedis(ctx, w.redis.Address); err != nil {
		return p, err
	}
	for i := range lists {
		if err := w.fill(ctx, i); err != nil {
			return p, err
		}
	}
	if p.Idle, _, err = host.MemoryOf(w.gateway.PID); err != nil {
		return p, err
	}
	file, size := csv(w.people, 1, recipients, parameters)
	began := time.Now()
	audience, err := w.upload(ctx, "lifted", file)
	if err != nil {
		return p, err
	}
	p.Upload, p.Bytes = time.Since(began).Seconds(), *size
	var said struct {
		Go      int `json:"go"`
		Skipped []struct {
			Count int `json:"count"`
		} `json:"skipped"`
	}
	began = time.Now()
	if err := w.create(ctx, "?dry_run=true", "lifted", audience, names(), &said); err != nil {
		return p, err
	}
	p.Dry, p.Go = time.Since(began).Seconds(), said.Go
	for _, s := range said.Skipped {
		p.Skipped += s.Count
	}
	if p.Go+p.Skipped != w.people || p.Skipped != p.Entries {
		return p, fmt.Errorf("a dry run says %+v", said)
	}
	p.OfRedis = float64(w.people*lists) / p.Dry / p.Redis
	var made struct {
		ID string `json:"id"`
	}
	began = time.Now()
	if err := w.create(ctx, "", "quiet", audience, names(), &made); err != nil {
		return p, err
	}
	p.Create = time.Since(began).Seconds()
	if _, p.Most, err = host.MemoryOf(w.gateway.PID); err != nil {
		return p, err
	}
	return p, w.ask(ctx, http.MethodPost, "/v1/broadcasts/"+made.ID+"/cancel", "", nil, http.StatusOK, nil)
}

func names() (all []string) {
	for i := range lists {
		all = append(all, listName(i))
	}
	return all
}

func listName(i int) string { return fmt.Sprintf("bench-%d", i+1) }

// fill makes a list and imports every other recipient.
func (w *world) fill(ctx context.Context, i int) error {
	body := fmt.Sprintf(`{"name":%q,"keywords":["leave %d"]}`, listName(i), i)
	if err := w.ask(ctx, http.MethodPost, "/v1/optout-lists", "application/json", strings.NewReader(body), http.StatusCreated, nil); err != nil {
		return err
	}
	file, _ := csv(w.people, 2, "to,channel", "*")
	return w.ask(ctx, http.MethodPost, "/v1/imports?list="+listName(i), "text/csv", file, http.StatusAccepted, nil)
}

func (w *world) upload(ctx context.Context, channel string, file io.Reader) (id string, err error) {
	var made struct {
		ID         string `json:"id"`
		Recipients int    `json:"recipients"`
	}
	err = w.ask(ctx, http.MethodPost, "/v1/audiences?channel="+channel, "text/csv", file, http.StatusCreated, &made)
	if err == nil && made.Recipients != w.people {
		err = fmt.Errorf("an audience of %d", made.Recipients)
	}
	return made.ID, err
}

// create asks for a broadcast, or for its dry run.
func (w *world) create(ctx context.Context, query, channel, audience string, against []string, into any) error {
	body, err := json.Marshal(map[string]any{
		"channel": channel, "category": "marketing", "lists": against, "audience": map[string]string{"upload": audience},
		"message": map[string]any{"type": "template", "template": map[string]any{
			"name": "offer", "language": map[string]string{"code": "en"}, "components": []any{map[string]any{
				"type": "body", "parameters": []any{map[string]string{"type": "text", "text": "{{name}}"}}}},
		}},
	})
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if query != "" {
		status = http.StatusOK
	}
	return w.ask(ctx, http.MethodPost, "/v1/broadcasts"+query, "application/json", strings.NewReader(string(body)), status, into)
}

func (w *world) ask(ctx context.Context, method, path, kind string, body io.Reader, wanted int, into any) error {
	var said json.RawMessage
	status, err := w.gateway.Ask(ctx, method, path, kind, body, &said)
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, path, err)
	case status != wanted:
		return fmt.Errorf("%s %s: %d %s", method, path, status, said)
	case into == nil:
		return nil
	}
	return json.Unmarshal(said, into)
}

// askRedis gives how many members of one plain set redis-benchmark asks for in a second, a thousand random ones a call.
func askRedis(ctx context.Context, address string) (float64, error) {
	hostname, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	at := []string{"-h", hostname, "-p", port}
	fill := append(at, "-c", "16", "-P", "64", "-n", "2000000", "-r", "1000000", "-q", "SADD", "plain", "__rand_int__") //nolint:gocritic // at has no room left
	if text, err := exec.CommandContext(ctx, "redis-benchmark", fill...).CombinedOutput(); err != nil {                 //nolint:gosec // numbers of our own
		return 0, fmt.Errorf("redis-benchmark: %w: %s", err, text)
	}
	const members = 1000
	args := []string{"-h", hostname, "-p", port, "-c", "16", "-P", "4", "-n", "2000", "-r", "2000000", "--csv", "SMISMEMBER", "plain"}
	for range members {
		args = append(args, "__rand_int__")
	}
	text, err := exec.CommandContext(ctx, "redis-benchmark", args...).Output() //nolint:gosec // as above
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	fields := strings.Split(lines[len(lines)-1], `","`)
	if len(fields) < 2 {
		return 0, fmt.Errorf("redis-benchmark says %q", lines[len(lines)-1])
	}
	perSecond, err := strconv.ParseFloat(strings.Trim(fields[1], `"`), 64)
	return perSecond * members, err
}
