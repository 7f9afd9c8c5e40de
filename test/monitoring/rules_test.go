package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const runbooks = "https://github.com/reboot-operator/reboot-operator/blob/main/docs/runbooks.md#"

// program finds an installed program. Where it is missing, the test is skipped.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed: apt-get install prometheus")
	}
	return path
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), program(t, "promtool"), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

func TestPromtoolFindsNothingWrongWithTheRules(t *testing.T) {
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", writeRules(t, t.TempDir()))
}

// The stories of testdata/rules.yaml: what fires each alert, when, and what does not.
func TestTheRulesFireWhenTheyShouldAndNotInARolloutThatGoesWell(t *testing.T) {
	folder := t.TempDir()
	writeRules(t, folder)
	stories := read(t, "testdata/stories.yaml")
	path := filepath.Join(folder, "stories.yaml")
	if err := os.WriteFile(path, stories, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", path)

	var file struct {
		Tests []struct {
			Rules []struct {
				Alert    string `json:"alertname"`
				Expected []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal(stories, &file); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, story := range file.Tests {
		for _, r := range story.Rules {
			if len(r.Expected) > 0 {
				fires[r.Alert] = true
			} else {
				quiet[r.Alert] = true
			}
		}
	}
	for _, r := range rulesOf(t) {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: no story in which it fires, or none in which it does not", r.Alert)
		}
	}
}

func TestEveryAlertHasARunbookAndSaysWhatSomeoneHasToKnow(t *testing.T) {
	page := string(read(t, "../../docs/runbooks.md"))
	var sections, alerts []string
	for _, found := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(page, -1) {
		sections = append(sections, found[1])
	}
	listed := map[string]string{}
	for _, found := range regexp.MustCompile(`(?m)^\| \[(\w+)\]\(runbooks\.md#\w+\) \| (\w+) \|`).
		FindAllStringSubmatch(string(read(t, "../../docs/monitoring.md")), -1) {
		listed[found[1]] = found[2]
	}
	want := map[string]string{}
	for _, r := range rulesOf(t) {
		alerts = append(alerts, r.Alert)
		want[r.Alert] = r.Labels["severity"]
		if got := r.Annotations["runbook_url"]; got != runbooks+strings.ToLower(r.Alert) {
			t.Errorf("%s: the runbook is %q", r.Alert, got)
		}
		for _, annotation := range []string{"summary", "description"} {
			if text := r.Annotations[annotation]; text == "" || !strings.HasSuffix(text, ".") {
				t.Errorf("%s: the %s is %q", r.Alert, annotation, text)
			}
		}
	}
	if diff := cmp.Diff(alerts, sections); diff != "" {
		t.Errorf("sections of docs/runbooks.md (-alerts +sections):\n%s", diff)
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("the table of docs/monitoring.md, with severities (-rules +docs):\n%s", diff)
	}
}
