package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// samples are a gateway's metrics at one moment.
type samples []sample

type sample struct {
	name, labels string // labels as they stand between the braces
	value        float64
}

// samples asks a gateway for its metrics.
func (c client) samples(ctx context.Context) (samples, error) {
	body, err := c.call(ctx, "GET", "/metrics", nil, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // it was read
	return readSamples(body)
}

// readSamples reads Prometheus' text format as far as the gateway uses it: no timestamps, no spaces in labels' names.
func readSamples(from io.Reader) (samples, error) {
	var all samples
	in := bufio.NewScanner(from)
	for in.Scan() {
		line := in.Text()
		cut := strings.LastIndexByte(line, ' ')
		if cut < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read metrics: %w", err)
		}
		name, labels, _ := strings.Cut(line[:cut], "{")
		all = append(all, sample{name: name, labels: strings.TrimSuffix(labels, "}"), value: value})
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return all, nil
}

// sum adds up the samples of a name whose labels hold one of those given, as result="kept"; of all where none is given.
func (s samples) sum(name string, labels ...string) float64 {
	total := 0.0
	for _, one := range s {
		if one.name == name && (len(labels) == 0 || one.has(labels)) {
			total += one.value
		}
	}
	return total
}

func (s sample) has(labels []string) bool {
	for _, label := range labels {
		if strings.Contains(s.labels, label) {
			return true
		}
	}
	return false
}
