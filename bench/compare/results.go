package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"optgate/bench/host"
	"optgate/bench/load/crowd"
	"optgate/bench/load/offer"
)

// results are all that a run brought, with all that one needs to know to judge it.
type results struct {
	Date     time.Time         `json:"date"`
	Machine  string            `json:"machine"`
	Kernel   string            `json:"kernel"`
	Commit   string            `json:"commit"`
	Versions map[string]string `json:"versions"`
	Command  string            `json:"command"`
	Settings settings          `json:"settings"`
	Missing  map[string]string `json:"missing"`         // contestants that were not measured, and why
	Apart    map[string]string `json:"apart,omitempty"` // crowds that could not gather, and why
	Kept     int               `json:"kept"`            // records that were promised and then found in Kafka
	Samples  []Sample          `json:"samples"`
	Effects  []Effect          `json:"effects"`
	Memory   []Memory          `json:"memory"`
}

// Noise is what others did to a measurement.
type Noise struct {
	Foreign   float64 `json:"foreign"`   // share of all processors that they took
	Dropped   int     `json:"dropped"`   // measurements that were dropped for this one
	Disturbed bool    `json:"disturbed"` // they took too much each time; this one is the least disturbed
}

func (n *Noise) noise() *Noise { return n }

// Sample is one level of one contestant in one round.
type Sample struct {
	Contestant string        `json:"contestant"`
	Round      int           `json:"round"`
	Level      level         `json:"level"`
	Report     *offer.Report `json:"report"`
	ServerCPU  float64       `json:"server_cpu"`           // seconds of processor time of its process while it was measured
	Crowd      []crowd.Group `json:"crowd,omitempty"`      // how the crowd beside it fared
	Held       float64       `json:"held,omitempty"`       // MiB that its process held at the end, the crowd still there
	WorkedOff  float64       `json:"worked_off,omitempty"` // webhooks a second, from the first one until all had their effect
	Noise
}

// ServerMicros gives the processor time of a webhook, in µs.
func (s *Sample) ServerMicros() float64 {
	return s.ServerCPU * 1e6 / float64(max(1, s.Report.Kept.Webhooks))
}

// Effect is how long STOPs took from webhook to effect, at a rate of other webhooks.
type Effect struct {
	Contestant string    `json:"contestant"`
	Round      int       `json:"round"`
	Rate       float64   `json:"rate"`
	Kept       float64   `json:"kept"` // webhooks a second
	Millis     []float64 `json:"millis"`
	Noise
}

// Memory is what a contestant's process held, in MiB.
type Memory struct {
	Contestant string  `json:"contestant"`
	Round      int     `json:"round"`
	Idle       float64 `json:"idle"`
	Most       float64 `json:"most"`
}

// newResults says where and with what is measured.
func newResults(ctx context.Context, s settings) (*results, error) {
	r := &results{
		Date: time.Now().UTC().Truncate(time.Second), Settings: s, Missing: map[string]string{}, Apart: map[string]string{},
		Versions: map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")},
		Command:  fmt.Sprintf("go run ./bench/compare -rounds %d -seconds %g -foreign %g -tries %d", s.Rounds, s.Seconds, s.Foreign, s.Tries),
	}
	if len(s.Only) > 0 {
		r.Command += " -only " + strings.Join(s.Only, ",")
	}
	r.Machine, r.Kernel, r.Commit = host.Machine(), host.Kernel(), host.Commit(ctx)
	for module, name := range map[string]string{
		"github.com/valyala/fasthttp": "fasthttp", "github.com/segmentio/kafka-go": "kafka-go",
		"github.com/twmb/franz-go": "franz-go", "github.com/twmb/franz-go/pkg/kfake": "kfake",
	} {
		version, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", module).Output() //nolint:gosec // a table above
		if err != nil {
			return nil, fmt.Errorf("version of %s: %w", module, err)
		}
		r.Versions[name] = strings.TrimSpace(string(version))
	}
	if err := r.packages(); err != nil {
		return nil, err
	}
	return r, nil
}

// packages reads the versions of Node's packages.
func (r *results) packages() error {
	text, err := os.ReadFile("bench/peers/package.json")
	if err != nil {
		return err
	}
	var named struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(text, &named); err != nil {
		return err
	}
	for name, version := range named.Dependencies {
		if name != "node" { // what really runs is asked
			r.Versions[name] = version
		}
	}
	return nil
}

// read takes results from a file.
func read(file string) (*results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &results{}
	return r, json.Unmarshal(text, r)
}

// percentile gives a value that so many percent don't exceed; 0 of nothing.
func percentile(values []float64, percent float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := int(math.Ceil(percent/100*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

// median gives the middle, or what lies between the two middle ones.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// of gives something of a contestant's samples at a level.
func (r *results) of(name string, l level, what func(*Sample) float64) (values []float64) {
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Contestant == name && s.Level == l {
			values = append(values, what(s))
		}
	}
	return values
}

// ratio gives the median, over the rounds, of something of one contestant divided by the same of another one in that round.
func (r *results) ratio(name, by string, l level, what func(*Sample) float64) (float64, bool) {
	rounds := map[int]float64{}
	for i := range r.Samples {
		if s := &r.Samples[i]; s.Contestant == by && s.Level == l && what(s) > 0 {
			rounds[s.Round] = what(s)
		}
	}
	var ratios []float64
	for i := range r.Samples {
		s := &r.Samples[i]
		if other, ok := rounds[s.Round]; ok && s.Contestant == name && s.Level == l {
			ratios = append(ratios, what(s)/other)
		}
	}
	return median(ratios), len(ratios) > 0
}

func perSecond(s *Sample) float64 { return s.Report.PerSecond }
func p99(s *Sample) float64       { return s.Report.Latency.P99 }

// grouped writes a number with a comma before each three digits.
func grouped(n float64) string {
	digits := strconv.Itoa(int(math.Round(n)))
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
