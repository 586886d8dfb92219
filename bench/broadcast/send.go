package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"optgate/bench/host"
)

// ran is one broadcast to everybody, with limits lifted.
type ran struct {
	Against string  `json:"against"` // which lists
	Sent    int     `json:"sent"`
	Skipped int     `json:"skipped"`
	Seconds float64 `json:"seconds"` // from the request until it is finished
	Gateway float64 `json:"gateway"` // seconds of processor time
	Redis   float64 `json:"redis"`
	Kafka   float64 `json:"kafka"`
	Cloud   float64 `json:"cloud"`  // of the simulated Cloud API, which stands in the measuring process
	Most    float64 `json:"most"`   // MiB that the gateway held at most
	Stored  float64 `json:"stored"` // MiB that Redis held at the end
	Report  report  `json:"report"`
}

// report is the download of all rows.
type report struct {
	Rows    int     `json:"rows"`
	MiB     float64 `json:"mib"`
	Seconds float64 `json:"seconds"`
	Most    float64 `json:"most"` // MiB that the gateway held at most afterwards
}

// runs sends twice: to everybody, and beside the lists that half of them are on.
func (w *world) runs(ctx context.Context) (all []ran, err error) {
	for _, against := range [][]string{{"default"}, names()} {
		one, err := w.send(ctx, against)
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
	return all, nil
}

// shown is what is looked at of a broadcast.
type shown struct {
	ID     string         `json:"id"`
	Status string         `json:"status"`
	Totals map[string]int `json:"totals"`
}

func (w *world) send(ctx context.Context, against []string) (r ran, err error) {
	r.Against = fmt.Sprintf("%d lists", len(against)+2)
	file, _ := csv(w.people, 1, recipients, parameters)
	audience, err := w.upload(ctx, "lifted", file)
	if err != nil {
		return r, err
	}
	before, err := w.times()
	if err != nil {
		return r, err
	}
	began := time.Now()
	var b shown
	if err := w.create(ctx, "", "lifted", audience, against, &b); err != nil {
		return r, err
	}
	for b.Status != "finished" {
		if err := host.Wait(ctx, 250*time.Millisecond, began); err != nil {
			return r, fmt.Errorf("%s, %v: %w", b.Status, b.Totals, err)
		}
		if err := w.ask(ctx, http.MethodGet, "/v1/broadcasts/"+b.ID, "", nil, http.StatusOK, &b); err != nil {
			return r, err
		}
	}
	r.Seconds = time.Since(began).Seconds()
	after, err := w.times()
	if err != nil {
		return r, err
	}
	r.Gateway, r.Redis, r.Kafka, r.Cloud = after[0]-before[0], after[1]-before[1], after[2]-before[2], after[3]-before[3]
	r.Sent, r.Skipped = b.Totals["sent"], b.Totals["skipped"]
	if r.Sent+r.Skipped != w.people {
		return r, fmt.Errorf("totals: %v", b.Totals)
	}
	if _, r.Most, err = host.MemoryOf(w.gateway.PID); err != nil {
		return r, err
	}
	if r.Stored, _, err = host.MemoryOf(w.redis.PID); err != nil {
		return r, err
	}
	r.Report, err = w.download(ctx, b.ID)
	return r, err
}

// times gives seconds of processor time: gateway, Redis, Kafka, this process.
func (w *world) times() (all []float64, err error) {
	for _, pid := range w.processes() {
		used, err := host.ProcessorTime(pid)
		if err != nil {
			return nil, err
		}
		all = append(all, used.Seconds())
	}
	return append(all, host.OwnTime().Seconds()), nil
}

// download reads the whole report as NDJSON.
func (w *world) download(ctx context.Context, id string) (r report, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.gateway.Private+"/v1/broadcasts/"+id+"/report?format=ndjson", nil)
	if err != nil {
		return r, err
	}
	request.Header.Set("Authorization", "Bearer "+host.Token)
	began := time.Now()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return r, err
	}
	defer answer.Body.Close() //nolint:errcheck // it is read to its end
	bytes := 0
	buffer := make([]byte, 1<<16)
	for {
		n, err := answer.Body.Read(buffer)
		bytes += n
		for _, c := range buffer[:n] {
			if c == '\n' {
				r.Rows++
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, err
		}
	}
	r.Seconds, r.MiB = time.Since(began).Seconds(), float64(bytes)/(1<<20)
	if r.Rows != w.people {
		return r, fmt.Errorf("a report of %d rows", r.Rows)
	}
	_, r.Most, err = host.MemoryOf(w.gateway.PID)
	return r, err
}
