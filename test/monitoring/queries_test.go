// Package monitoring tests what config/components/monitoring and config/components/dashboards install: the rules with promtool, and every
// query with a real Prometheus that collects from a real rollout.
package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const components = "../../config/components/"

// rule is an alert of the rules.
type rule struct {
	Alert         string            `json:"alert"`
	Expr          string            `json:"expr"`
	For           string            `json:"for"`
	KeepFiringFor string            `json:"keep_firing_for"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
}

// ruleFile is a PrometheusRule; its spec is what Prometheus reads.
type ruleFile struct {
	Spec struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []rule `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

// rulesOf are all rules.
func rulesOf(t *testing.T) []rule {
	t.Helper()
	var file ruleFile
	if err := yaml.Unmarshal(read(t, components+"monitoring/rules.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range file.Spec.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d rules were found", len(all))
	}
	return all
}

// writeRules writes the rules as Prometheus reads them, and returns the path.
func writeRules(t *testing.T, folder string) string {
	t.Helper()
	var file struct {
		Spec map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal(read(t, components+"monitoring/rules.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(file.Spec)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "rules.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// panel of a dashboard. A row has panels of its own while it is folded.
type panel struct {
	ID          int       `json:"id"`
	Type        string    `json:"type"`
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Panels      []panel   `json:"panels"`
	Datasource  *uid      `json:"datasource"`
	Targets     []target  `json:"targets"`
	GridPos     *struct{} `json:"gridPos"`
}

type target struct {
	Expr       string `json:"expr"`
	RefID      string `json:"refId"`
	Datasource *uid   `json:"datasource"`
}

type uid struct {
	UID string `json:"uid"`
}

// board is a dashboard.
type board struct {
	file       string
	UID        string  `json:"uid"`
	Title      string  `json:"title"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name string `json:"name"`
		} `json:"list"`
	} `json:"templating"`
}

// boards are all dashboards.
func boards(t *testing.T) []board {
	t.Helper()
	files, err := filepath.Glob(components + "dashboards/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("dashboards %q, error %v", files, err)
	}
	var all []board
	for _, file := range files {
		found := board{file: filepath.Base(file)}
		if err := json.Unmarshal(read(t, file), &found); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, found)
	}
	return all
}

// shown are the panels that show something, those of rows included.
func shown(panels []panel) []panel {
	var all []panel
	for _, p := range panels {
		if p.Type != "row" {
			all = append(all, p)
		}
		all = append(all, shown(p.Panels)...)
	}
	return all
}

// query is one that is asked, and where it stands.
type query struct {
	where, expr string
	alert       bool
}

// variables of dashboards, as Grafana fills them in for a Prometheus that is asked each second.
var variables = strings.NewReplacer("$policy", ".*", "$__rate_interval", "10s", "$__range", "10m", "$__interval", "1s")

// queries are all of the rules and dashboards.
func queries(t *testing.T) []query {
	t.Helper()
	var all []query
	for _, r := range rulesOf(t) {
		all = append(all, query{"alert " + r.Alert, r.Expr, true})
	}
	for _, b := range boards(t) {
		for _, p := range shown(b.Panels) {
			for _, target := range p.Targets {
				all = append(all, query{b.file + ": " + p.Title, variables.Replace(target.Expr), false})
			}
		}
	}
	return all
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestADashboardIsOneThatGrafanaTakes(t *testing.T) {
	var uids []string
	for _, b := range boards(t) {
		uids = append(uids, b.UID)
		if b.UID == "" || len(b.UID) > 40 || b.Title == "" {
			t.Errorf("%s: uid %q, title %q", b.file, b.UID, b.Title)
		}
		known := map[string]bool{}
		for _, variable := range b.Templating.List {
			known[variable.Name] = true
		}
		var titles []string
		ids := map[int]bool{}
		for _, p := range b.Panels {
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s: %s has the number %d, as another one, or none", b.file, p.Title, p.ID)
			}
			ids[p.ID] = true
		}
		for _, p := range shown(b.Panels) {
			titles = append(titles, p.Title)
			if len(p.Targets) == 0 || p.GridPos == nil || p.Datasource == nil || p.Datasource.UID != "$datasource" {
				t.Errorf("%s: %s asks nothing, has no place or another source of data", b.file, p.Title)
			}
			for _, asked := range p.Targets {
				for _, used := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(asked.Expr, -1) {
					if !known[used[1]] && !strings.HasPrefix(used[1], "__") {
						t.Errorf("%s: %s uses the variable %s, which is not there", b.file, p.Title, used[1])
					}
				}
			}
		}
		slices.Sort(titles)
		if len(titles) != len(slices.Compact(titles)) {
			t.Errorf("%s: two panels have one title", b.file)
		}
	}
	slices.Sort(uids)
	if len(uids) != len(slices.Compact(uids)) {
		t.Errorf("two dashboards have one uid: %q", uids)
	}
}
