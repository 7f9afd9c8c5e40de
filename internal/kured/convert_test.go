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
