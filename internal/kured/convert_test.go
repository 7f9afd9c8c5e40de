package kured_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reboot-operator/reboot-operator/internal/kured"
)

var update = flag.Bool("update", false, "write the golden files")

// converted is everything that a configuration becomes, as text.
func converted(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	result, err := kured.Convert(data, kured.Options{File: filepath.Base(file)})
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	for _, f := range result.Findings {
		b.WriteString(f.String() + "\n")
	}
	result.Findings = nil // they are above, and not as comments
	policy, err := result.PolicyYAML()
	if err != nil {
		t.Fatal(err)
	}
	values, err := result.ValuesYAML()
	if err != nil {
		t.Fatal(err)
	}
	return b.String() + "--- policy\n" + string(policy) + "--- values\n" + string(values)
}

func TestAConfigurationOfKuredBecomesAPolicyAndValues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 25 {
		t.Fatalf("there are %d inputs: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			got := converted(t, file)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("it becomes\n%s\nand not\n%s\nRun go test ./internal/kured -update if that is right.", got, want)
			}
		})
	}
}

func TestOddTextIsRefusedAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"lists in place of mappings": "configuration: []\nextraArgs: [a]\nextraEnvVars: {a: 1}\nimage: {repository: x/kured}\n",
		"texts in place of mappings": "configuration: x\nextraArgs: x\nextraEnvVars: x\nimage: {repository: x/kured}\nnodeSelector: x\n" +
			"metrics: x\ntolerations: x\n",
		"a list that has itself":      "&a {kind: List, items: [*a]}\n",
		"a value that has itself":     "configuration: {rebootDays: &a [*a], period: 1m}\n",
		"a DaemonSet without a pod":   "kind: DaemonSet\n",
		"a container that has itself": "kind: DaemonSet\nspec: {template: {spec: {containers: [&c {image: kured:1, args: [*c], env: [*c]}]}}}\n",
		"arguments that are no text": "kind: DaemonSet\nspec: {template: {spec: {containers: " +
			"[{image: kured, command: [], args: [[], {}, null, 3]}]}}}\n",
		"a release without values":  "kind: HelmRelease\nspec: {chart: {spec: {chart: kured}}}\n",
		"an Application of nothing": "kind: Application\nspec: {source: {chart: kured}}\n",
		"values that are no YAML":   "kind: HelmChart\nspec: {chart: kured, valuesContent: 'a: ['}\n",
		"nothing":                   "",
		"a tab":                     "\t",
		"a keys of every kind":      "1: 2\ntrue: 3\nconfiguration: {1: 2, period: 1m, ? [a] : b}\n",
	} {
		result, err := kured.Convert([]byte(text), kured.Options{File: "v"})
		if err != nil {
			continue
		}
		if len(result.Findings) == 0 {
			t.Errorf("%s: nothing is said about it", name)
		}
		if result.Policy != nil && (strings.HasPrefix(name, "a container") || strings.HasPrefix(name, "arguments")) {
			t.Errorf("%s becomes a policy", name)
		}
	}
}
