package metrics_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

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
	for _, v := range board.Templating.List {
		asked := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(v.Definition)
		if v.Type == "query" && (asked == nil || series[asked[1]] == nil) {
			t.Errorf("the choice of %s asks for %s", v.Name, v.Definition)
		}
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

func TestDocsOfDeploymentNameFilesThatExist(t *testing.T) {
	for _, name := range []string{"METRICS.md", "ALERTS.md"} {
		for _, link := range regexp.MustCompile(`\]\(([^):#]+)[^):]*\)`).FindAllStringSubmatch(deployed(t, name), -1) {
			deployed(t, link[1])
		}
	}
}
