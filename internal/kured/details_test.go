package kured_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/internal/kured"
)

// detail is a small configuration: arguments and variables of a DaemonSet, values of the chart, or a whole file.
type detail struct {
	Name   string           `json:"name"`
	Tag    string           `json:"tag"`
	Args   []string         `json:"args"`
	Env    []map[string]any `json:"env"`
	Values map[string]any   `json:"values"`
	Text   string           `json:"text"`
}

func (d detail) file(t *testing.T) string {
	t.Helper()
	if d.Text != "" {
		return d.Text
	}
	content := any(d.Values)
	if d.Values == nil {
		tag := d.Tag
		if tag == "" {
			tag = "1.23.0"
		}
		container := map[string]any{"image": "ghcr.io/kubereboot/kured:" + tag, "args": d.Args, "env": d.Env}
		content = map[string]any{"kind": "DaemonSet", "spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"containers": []any{container}, "tolerations": []any{map[string]any{"operator": "Exists"}},
			"volumes": []any{},
		}}}}
	}
	data, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// becomes has the findings about a text, and the lines of the policy and the values that others do not have.
func becomes(text string, usual []string) string {
	result, err := kured.Convert([]byte(text), kured.Options{File: "f"})
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	lines := []string{}
	for _, f := range result.Findings {
		f.Source.Line = 0
		lines = append(lines, f.String())
	}
	if result.Policy == nil {
		lines = append(lines, "no policy")
	}
	result.Findings = nil
	for _, write := range []func() ([]byte, error){result.PolicyYAML, result.ValuesYAML} {
		data, err := write()
		if err != nil {
			lines = append(lines, "error: "+err.Error())
		}
		lines = append(lines, strings.Split(strings.TrimSpace(string(data)), "\n")...)
	}
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return slices.Contains(usual, line) }), "\n") + "\n"
}

func TestEachDetailOfAConfigurationBecomesSomethingOrIsNamed(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/details/cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var details []detail
	if err := yaml.UnmarshalStrict(data, &details); err != nil {
		t.Fatal(err)
	}
	usual := strings.Split(becomes(detail{Values: map[string]any{"configuration": map[string]any{"period": "1m"}}}.file(t), nil), "\n")
	usual = append(usual, strings.Split(becomes(detail{}.file(t), nil), "\n")...)
	var b strings.Builder
	for _, d := range details {
		b.WriteString("# " + d.Name + "\n" + becomes(d.file(t), usual) + "\n")
	}
	golden := "testdata/details/becomes.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, expected := strings.Split(b.String(), "\n\n"), strings.Split(string(want), "\n\n")
	for i := range max(len(got), len(expected)) {
		if i >= len(got) || i >= len(expected) || got[i] != expected[i] {
			t.Fatalf("this becomes\n%s\nand not\n%s\nRun go test ./internal/kured -update if that is right.", at(got, i), at(expected, i))
		}
	}
}

func at(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return "nothing"
}
