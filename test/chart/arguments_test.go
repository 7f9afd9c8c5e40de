package chart

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/test/manifests"
)

var update = flag.Bool("update", false, "Write testdata/arguments.yaml.")

const argumentsFile = "testdata/arguments.yaml"

// edges are values at the limits of what the schema and the checks take, each with a name.
func edges(t *testing.T) map[string]map[string]any {
	t.Helper()
	content, err := os.ReadFile("testdata/edges.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found map[string]map[string]any
	if err := yaml.UnmarshalStrict(content, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// everyValues are all values that tests render, by what they are for.
func everyValues(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, test := range valueCases(t) {
		name := "value " + test.Value
		for n := 2; found[name] != nil; n++ {
			name = fmt.Sprintf("value %s, case %d", test.Value, n)
		}
		found[name] = merged(test.With, test.Set)
	}
	all, err := manifests.All()
	if err != nil {
		t.Fatal(err)
	}
	for name := range all {
		found["as "+name] = same(t, name)
	}
	for name, vals := range edges(t) {
		found["edge: "+name] = vals
	}
	return found
}

// The parsers of the programs are in programs, and Helm's library is in this module. So what every rendering gives the programs is in a
// file, which this test keeps, and the tests of the programs parse: TestEveryArgumentOfTheChartIsParsed in each folder of cmd/.
func TestTheArgumentsThatProgramsParseAreThoseOfTheChart(t *testing.T) {
	got := map[string]map[string][]string{}
	seen := map[string]bool{}
	every := everyValues(t)
	for _, name := range sortedKeys(every) {
		rendered := render(t, every[name])
		for _, program := range []string{"manager", "helper", "rebooter"} {
			container, err := rendered.Container(program)
			if err != nil {
				t.Fatal(err)
			}
			once := program + "\x00" + strings.Join(container.Args, "\x00")
			if seen[once] {
				continue
			}
			seen[once] = true
			if got[program] == nil {
				got[program] = map[string][]string{}
			}
			got[program][name] = container.Args
		}
	}
	if *update {
		content, err := yaml.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(argumentsFile, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(argumentsFile)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]map[string][]string
	decode(t, content, &want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("run cd test/chart && go test -run %s . -update, and commit %s (-file +chart):\n%s", t.Name(), argumentsFile, diff)
	}
}

// GOMEMLIMIT is no argument: the runtime of Go ends a program that has one it cannot read.
func TestEveryMemoryLimitIsOneThatGoReads(t *testing.T) {
	tried := 0
	for name, vals := range edges(t) {
		for _, path := range []string{"manager/goMemLimit", "helper/goMemLimit"} {
			limit, set := at(vals, path).(string)
			if !set {
				continue
			}
			tried++
			if output, err := goVersionWith(t, limit); err != nil {
				t.Errorf("%s: %s: %v\n%s", name, limit, err, output)
			}
		}
	}
	if output, err := goVersionWith(t, "99999999999TiB"); err == nil {
		t.Errorf("Go takes any limit, so this test proves nothing: %s", output)
	}
	if tried < 5 {
		t.Errorf("only %d limits were tried", tried)
	}
}

func goVersionWith(t *testing.T, limit string) ([]byte, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "version")
	command.Env = append(slices.Clone(os.Environ()), "GOMEMLIMIT="+limit)
	return command.CombinedOutput()
}
