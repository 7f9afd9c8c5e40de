package status_test

import (
	"encoding/json"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/plugin"
	"github.com/reboot-operator/reboot-operator/internal/plugin/app"
	"github.com/reboot-operator/reboot-operator/internal/plugin/plugintest"
	"github.com/reboot-operator/reboot-operator/test/golden"
)

func splitLines(text string) iter.Seq[string] {
	return strings.SplitSeq(strings.TrimRight(text, "\n"), "\n")
}

func run(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	terminal := plugintest.New(t, 120, fleet.Usual()...)
	return terminal.Run(plugin.Run, append([]string{"status", "--no-color"}, args...)...)
}

func TestWhatHasFinishedIsShownOnlyIfAskedFor(t *testing.T) {
	t.Parallel()
	_, hidden, _ := run(t)
	if strings.Contains(hidden, "worker-a3") || !strings.Contains(hidden, "3 finished NodeReboots not shown; --all shows them.") {
		t.Errorf("without --all:\n%s", hidden)
	}
	_, all, _ := run(t, "--all")
	if !strings.Contains(all, "worker-a3  Failed") || strings.Contains(all, "not shown") {
		t.Errorf("with --all:\n%s", all)
	}
	golden.Compare(t, filepath.Join("testdata", "all-120.txt"), all)
}

func TestNodesWhoseStartCannotBeReadAreShown(t *testing.T) {
	t.Parallel()
	unreadable := func(r *v1alpha1.NodeReboot) { r.Status.Attempt.GrantedTime = metav1.MicroTime{} }
	terminal := plugintest.New(t, 80, fleet.Policy("all"),
		fleet.Reboot("all", "a", "node-1", fleet.Drains(time.Minute, 1, 2), unreadable),
		fleet.Reboot("all", "a", "node-2", fleet.Drains(time.Minute, 1, 2)),
		fleet.Reboot("all", "a", "node-3", fleet.Drains(time.Minute, 1, 2), unreadable))
	code, out, errOut := terminal.Run(plugin.Run, "status", "--no-color")
	for _, node := range []string{"node-1", "node-2", "node-3"} {
		if code != app.ExitOK || !strings.Contains(out, node) {
			t.Errorf("it ended with %d and %s, and %s is not in\n%s", code, errOut, node, out)
		}
	}
}

func TestWideAddsMessagesAndCutsNothingElsewhere(t *testing.T) {
	t.Parallel()
	terminal := plugintest.New(t, 0, fleet.Usual()...)
	_, out, _ := terminal.Run(plugin.Run, "status", "-o", "wide")
	golden.Compare(t, filepath.Join("testdata", "wide.txt"), out)
}

func TestJSONAndYAMLSayTheSame(t *testing.T) {
	t.Parallel()
	_, asJSON, _ := run(t, "-o", "json")
	_, asYAML, _ := run(t, "-o", "yaml")
	converted, err := yaml.YAMLToJSON([]byte(asYAML))
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON, fromYAML map[string]any
	if err := json.Unmarshal([]byte(asJSON), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(converted, &fromYAML); err != nil {
		t.Fatal(err)
	}
	if a, b := marshal(t, fromJSON), marshal(t, fromYAML); a != b {
		t.Errorf("JSON:\n%s\nYAML:\n%s", a, b)
	}
	golden.Compare(t, filepath.Join("testdata", "json.txt"), asJSON)
}

func marshal(t *testing.T, what any) string {
	t.Helper()
	text, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNamesAreThoseOfKubectl(t *testing.T) {
	t.Parallel()
	_, out, _ := run(t, "-o", "name")
	if !strings.HasPrefix(out, "rebootpolicy.reboot-operator.io/workers\nnodereboot.reboot-operator.io/reboot-worker-b3\n") ||
		strings.Contains(out, "worker-a1") {
		t.Errorf("names:\n%s", out)
	}
}

func TestAMistakeIsExplained(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"nope":               {app.ExitFailed, "there is no RebootPolicy nope; there are workers"},
		"--watch nope":       {app.ExitFailed, "there is no RebootPolicy nope; there are workers"},
		"-o xml":             {app.ExitUsage, "-o xml: write json, yaml, name or wide"},
		"--watch -o json":    {app.ExitUsage, "--watch and -o json cannot be combined"},
		"--watch --all":      {app.ExitUsage, "--watch and --all cannot be combined"},
		"--next -1":          {app.ExitUsage, "--next -1: write how many"},
		"workers nope other": {app.ExitFailed, "there is no RebootPolicy nope, other; there are workers"},
	} {
		code, _, errOut := run(t, strings.Fields(args)...)
		if code != want.code || !strings.Contains(errOut, want.text) {
			t.Errorf("%s ended with %d: %s", args, code, errOut)
		}
	}
}

func TestOnlyTheNextFewAreShownUnlessAskedFor(t *testing.T) {
	t.Parallel()
	_, out, _ := run(t, "--next", "2")
	if !strings.Contains(out, "worker-b6") || strings.Contains(out, "worker-b5 ") || !strings.Contains(out, "and 1 more waiting") ||
		!strings.Contains(out, "13 more waiting") {
		t.Errorf("the next two:\n%s", out)
	}
	_, all, _ := run(t, "--next", "0")
	if strings.Contains(all, "more waiting") || !strings.Contains(all, "worker-c13") {
		t.Errorf("all:\n%s", all)
	}
}
