package metrics_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"optgate/gateway/metrics"
)

// catalogue holds what the program shows: series by name, and for each label the values that are there from the start.
type catalogue map[string]map[string][]string

// shown gives the series of a program as Prometheus names them, and the families as documents do.
func shown(t *testing.T) (series, families catalogue) {
	t.Helper()
	m := metrics.New("v1")
	m.Shard(0)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(strings.NewReader(written(t, m)))
	if err != nil {
		t.Fatal(err)
	}
	series, families = catalogue{}, catalogue{}
	for name, family := range parsed {
		labels := map[string][]string{}
		var buckets []string
		for _, metric := range family.GetMetric() {
			for _, l := range metric.GetLabel() {
				labels[l.GetName()] = append(labels[l.GetName()], l.GetValue())
			}
			for _, b := range metric.GetHistogram().GetBucket() {
				buckets = append(buckets, fmt.Sprint(b.GetUpperBound()))
			}
		}
		families[name] = labels
		if buckets == nil {
			series[name] = labels
			continue
		}
		series[name+"_sum"], series[name+"_count"] = labels, labels
		withBounds := maps.Clone(labels)
		withBounds["le"] = buckets
		series[name+"_bucket"] = withBounds
	}
	series["up"] = map[string][]string{} // Prometheus' own
	return series, families
}

// check says what an expression asks for that is not there.
func (c catalogue) check(expression string) error {
	q, err := parseQuery(expression)
	if err != nil {
		return err
	}
	grouped := map[string]bool{"instance": true, "job": true}
	for _, s := range q.selectors {
		labels, ok := c[s.metric]
		if !ok {
			return fmt.Errorf("there is no %s", s.metric)
		}
		for label := range labels {
			grouped[label] = true
		}
		for _, w := range s.where {
			if err := w.within(labels); err != nil {
				return fmt.Errorf("%s: %w", s.metric, err)
			}
		}
	}
	for _, label := range q.by {
		if !grouped[label] {
			return fmt.Errorf("no metric of %s has the label %s", expression, label)
		}
	}
	return nil
}

// within refuses a condition that nothing can meet.
func (c condition) within(labels map[string][]string) error {
	if c.label == "instance" || c.label == "job" {
		return nil
	}
	known, ok := labels[c.label]
	if !ok {
		return fmt.Errorf("has no label %s", c.label)
	}
	if strings.HasPrefix(c.value, "$") {
		return nil
	}
	values := []string{c.value}
	if c.op == "=~" || c.op == "!~" {
		values = strings.Split(c.value, "|")
	}
	for _, value := range values {
		if c.label == "le" {
			value = strings.TrimSuffix(value, ".0") // as Prometheus 3 writes a bound
		}
		if !slices.Contains(known, value) {
			return fmt.Errorf("has no %s=%q", c.label, value)
		}
	}
	return nil
}

// withRecords adds what the rules record.
func (c catalogue) withRecords(all []rule) catalogue {
	c = maps.Clone(c)
	for _, r := range all {
		if r.Record == "" {
			continue
		}
		if c[r.Record] == nil {
			c[r.Record] = map[string][]string{}
		}
		for label, value := range r.Labels {
			c[r.Record][label] = append(c[r.Record][label], value)
		}
	}
	return c
}

func TestExpressionsThatAskForNothingAreFound(t *testing.T) {
	series, _ := shown(t)
	series = series.withRecords([]rule{{Record: "optgate:x", Labels: map[string]string{"mark": "1"}}})
	for _, good := range []string{
		`sum by (result) (rate(optgate_webhooks_total{result=~"busy|unavailable", instance=~"$instance"}[5m]))`,
		`histogram_quantile(0.99, sum by (le) (rate(optgate_webhook_ack_seconds_bucket[$__rate_interval])))`,
		`1 - sum(rate(optgate_pipeline_seconds_bucket{le="0.25"}[5m])) / sum(rate(optgate_pipeline_seconds_count[5m])) > 0.5`,
		`topk(5, max by (shard) (optgate_shard_lag_commands))`, `up{job="optgate"} == 0 or absent(up)`, `optgate:x{mark="1"} > 0.1`,
		`max(optgate_shards) by (instance) * on (instance) group_left max by (instance) (optgate_stalled)`, `-(1 + 2)`,
	} {
		if err := series.check(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		`optgate_webhook_ack_seconds_bucket{le=~"3|3.0"}`,
		`optgate_webhook_total`, `optgate_webhooks_total{result="lost"}`, `optgate_webhooks_total{kind="kept"}`,
		`sum by (lane) (optgate_webhooks_total)`, `optgate_webhook_ack_seconds`, `optgate_webhook_ack_seconds_bucket{le="0.3"}`,
		`sum(rate(optgate_gate_total[5m])`, `rate(optgate_gate_total)`, `sum(optgate_gate_total[5m])`, `rates(optgate_gate_total[5m])`,
		`optgate_stalled == `, `optgate_stalled 1`, `optgate_gate_total{answer="go}`, `optgate_gate_total{answer}`, `optgate:x{mark="2"}`,
		`histogram_quantile(0.99)`, `rate(optgate_gate_total[5])`, ``, `optgate_stalled; 1`, `max(optgate_stalled))`,
	} {
		if series.check(bad) == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
