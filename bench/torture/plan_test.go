package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"optgate/gateway/meta/fake"
)

func someTroubles() (all []trouble) {
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		all = append(all, trouble{name: name, least: time.Second, most: 3 * time.Second, own: name == "d"})
	}
	return all
}

func told(steps []step) (text string) {
	for _, s := range steps {
		text += s.name + s.after.String() + s.lasts.String() + " "
	}
	return text
}

func TestTheSeedRepeatsThePlan(t *testing.T) {
	first, again, other := plan(7, someTroubles(), time.Minute), plan(7, someTroubles(), time.Minute), plan(8, someTroubles(), time.Minute)
	if told(first) != told(again) || told(first) == told(other) {
		t.Errorf("%s\n%s\n%s", told(first), told(again), told(other))
	}
	counts := map[string]int{}
	for _, s := range first[:5] {
		counts[s.name]++
	}
	if len(counts) != 5 {
		t.Errorf("the first five are %v, not all kinds", counts)
	}
	if first[0].name != "d" || other[0].name != "d" {
		t.Errorf("what the scenario is for is not first: %s, %s", first[0].name, other[0].name)
	}
	total := time.Duration(0)
	for _, s := range first {
		total += s.after + s.lasts
	}
	if total > time.Minute {
		t.Errorf("the plan takes %v", total)
	}
}

func TestTheSeedRepeatsWhatIsSaid(t *testing.T) {
	say := func(seed uint64) (bodies []string, said []saying) {
		c := newCrowd(seed, 50)
		for range 500 {
			e, s := c.next(noon)
			bodies, said = append(bodies, string(fake.Body(e))), append(said, s)
		}
		return bodies, said
	}
	bodies, said := say(3)
	again, saidAgain := say(3)
	other, _ := say(4)
	if !reflect.DeepEqual(bodies, again) || !reflect.DeepEqual(said, saidAgain) || reflect.DeepEqual(bodies, other) {
		t.Error("the seed does not decide what is said")
	}
	kinds := map[string]bool{}
	for i, s := range said {
		kinds[s.list+map[bool]string{true: " out", false: " in"}[s.out]] = true
		if s.key == "" {
			continue
		}
		keys, err := keysOf([]byte(bodies[i]))
		if err != nil || len(keys) != 1 && s.list != "meta" || len(keys) == 1 && keys[0] != s.key {
			t.Errorf("%s holds %v: %v", bodies[i], keys, err)
		}
	}
	for _, kind := range []string{"default out", "default in", "meta out", "meta in", " in"} {
		if !kinds[kind] {
			t.Errorf("nobody says %q", kind)
		}
	}
}

func TestScenariosArePaired(t *testing.T) {
	all, err := scenarios(strings.Split("one,three", ","), strings.Split("one,cluster,replica", ","))
	if err != nil || !reflect.DeepEqual(all, []scenario{{1, "one"}, {3, "cluster"}, {1, "replica"}}) {
		t.Errorf("%v %v", all, err)
	}
	for _, wrong := range [][2]string{{"two", "one"}, {"one", "two"}, {"", "one"}} {
		if _, err := scenarios([]string{wrong[0]}, []string{wrong[1]}); err == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
}
