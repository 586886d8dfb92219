package metrics_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

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

func deployed(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "configs", "deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(deployed(t, "alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
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

func TestDocsRulesAskForWhatIsThere(t *testing.T) {
	series, _ := shown(t)
	all := rules(t)
	series = series.withRecords(all)
	runbook := deployed(t, "ALERTS.md")
	sections := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(runbook, -1) {
		sections[heading[1]] = true
	}
	for _, r := range all {
		if err := series.check(r.Expr); err != nil {
			t.Errorf("%s%s: %v", r.Alert, r.Record, err)
		}
		if r.Record != "" {
			continue
		}
		if _, err := time.ParseDuration(r.For); err != nil && r.For != "" {
			t.Errorf("%s: %v", r.Alert, err)
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Annotations["runbook"] != "ALERTS.md#"+strings.ToLower(r.Alert) {
			t.Errorf("%s: annotations %v", r.Alert, r.Annotations)
		}
		if !sections[r.Alert] {
			t.Errorf("ALERTS.md has no section %s", r.Alert)
		}
		delete(sections, r.Alert)
	}
	for section := range sections {
		t.Errorf("ALERTS.md: %s is no alert", section)
	}
}

// panel is what matters of a Grafana panel. A row has panels of its own where it is folded.
type panel struct {
	ID          int
	Type, Title string
	Description string
	Datasource  struct{ UID string }
	Targets     []struct{ Expr, LegendFormat, RefID string }
	GridPos     struct{ X, Y, W, H int }
}

func TestDocsDashboardAsksForWhatIsThere(t *testing.T) {
	series, _ := shown(t)
	var board struct {
		UID, Title    string
		SchemaVersion int
		Panels        []panel
		Templating    struct {
			List []struct{ Name, Type, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(deployed(t, "dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title == "" || board.SchemaVersion < 39 {
		t.Errorf("%s %q, schema %d", board.UID, board.Title, board.SchemaVersion)
	}
	ids, rows, taken := map[int]bool{}, 0, map[[2]int]string{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: its id is taken, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			rows++
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 || p.Datasource.UID != "$datasource" {
			t.Errorf("%s says not what it is for, or asks nothing, or not of the chosen source", p.Title)
		}
		for _, target := range p.Targets {
			if err := series.check(target.Expr); err != nil {
				t.Errorf("%s: %v", p.Title, err)
			}
			q, _ := parseQuery(target.Expr)
			for _, label := range regexp.MustCompile(`\{\{ *(\w+) *\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !slices.Contains(q.by, label[1]) {
					t.Errorf("%s: its legend shows %s, by which nothing is grouped", p.Title, label[1])
				}
			}
		}
	}
	if rows < 6 || len(board.Panels) < 30 {
		t.Errorf("%d panels in %d rows", len(board.Panels), rows)
	}
}

func TestDocsEveryMetricIsDocumented(t *testing.T) {
	_, families := shown(t)
	text := deployed(t, "METRICS.md")
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(optgate_\\w+)` \\| ([^|]*)\\| (\\w+) \\| ").FindAllStringSubmatch(text, -1) {
		name, labels := row[1], strings.Fields(strings.ReplaceAll(row[2], "`", ""))
		if documented[name] {
			t.Errorf("%s is documented twice", name)
		}
		documented[name] = true
		want := slices.Sorted(maps.Keys(families[name]))
		slices.Sort(labels)
		if families[name] == nil || !slices.Equal(labels, want) {
			t.Errorf("%s is documented with the labels %v and has %v", name, labels, want)
		}
		if where := row[3]; where != "process" && where != "fleet" {
			t.Errorf("%s is of a %s", name, where)
		}
	}
	for name := range families {
		if strings.HasPrefix(name, "optgate_") && !documented[name] {
			t.Errorf("%s is not documented", name)
		}
	}
	for _, name := range regexp.MustCompile("`((?:go|process|optgate)_\\w+)").FindAllStringSubmatch(text+deployed(t, "ALERTS.md"), -1) {
		if families[name[1]] == nil {
			t.Errorf("there is no %s", name[1])
		}
	}
	// The values that a label has from the start stand in the documentation of its metric.
	for _, name := range []string{"optgate_webhooks_total", "optgate_items_total", "optgate_dead_total", "optgate_gate_total", "optgate_sends_total"} {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "| `"+name+"`") {
				continue
			}
			for _, values := range families[name] {
				for _, value := range values {
					if !strings.Contains(line, "`"+value+"`") {
						t.Errorf("%s: %s is not explained", name, value)
					}
				}
			}
		}
	}
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
