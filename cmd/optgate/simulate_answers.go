package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"optgate/gateway/meta/fake"
)

// answers decide what becomes of each send, and count.
type answers struct {
	chances []chance

	mu     sync.Mutex
	counts map[string]int // by what was answered
}

type chance struct {
	name    string
	upTo    float64 // of 1, this and those before it together
	outcome fake.Outcome
}

// answers reads --errors.
func (c *simulateCommand) answers() (*answers, error) {
	a := &answers{counts: map[string]int{}}
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(c.Errors)) {
		share := c.Errors[name]
		outcome, err := outcomeOf(name)
		if err != nil {
			return nil, err
		}
		if sum += share; share < 0 || sum > 1 {
			return nil, errors.New("shares are from 0 to 1, and so is their sum")
		}
		a.chances = append(a.chances, chance{name, sum, outcome})
	}
	return a, nil
}

// outcomeOf gives the answer that carries one of Meta's codes; 100 to 599 stand for a status of HTTP alone.
func outcomeOf(name string) (fake.Outcome, error) {
	if name == "drop" {
		return fake.Outcome{Drop: true}, nil
	}
	code, err := strconv.Atoi(name)
	switch {
	case err != nil || code <= 0:
		return fake.Outcome{}, fmt.Errorf("%q is neither a code nor drop", name)
	case code == 190:
		return fake.Outcome{HTTP: http.StatusUnauthorized, Code: code}, nil
	case code >= http.StatusBadRequest && code < 600:
		return fake.Outcome{HTTP: code, Code: 1}, nil
	}
	return fake.Outcome{HTTP: http.StatusBadRequest, Code: code}, nil
}

// decide is a fake.Options.Answer.
func (a *answers) decide(send fake.Send) fake.Outcome {
	drawn := rand.Float64() //nolint:gosec // chance, not a secret
	name, outcome := "accepted "+send.Type, fake.Outcome{}
	for _, c := range a.chances {
		if drawn < c.upTo {
			name, outcome = "answered "+c.name, c.outcome
			break
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[name]++
	return outcome
}

// String is a list of counts.
func (a *answers) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(a.counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, a.counts[name]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
