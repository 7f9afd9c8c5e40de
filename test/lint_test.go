package test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// In patterns of depguard, two stars are at least one folder. So a rule for everything below a folder leaves out the files in it.
func TestRulesOfTheLinterForFoldersCoverTheFilesInThem(t *testing.T) {
	text, err := os.ReadFile("../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct{ Files []string }
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	below := 0
	for name, rule := range config.Linters.Settings.Depguard.Rules {
		for _, pattern := range rule.Files {
			folder, is := strings.CutSuffix(pattern, "/**/*.go")
			if !is {
				continue
			}
			below++
			if !slices.Contains(rule.Files, folder+"/*.go") {
				t.Errorf("rule %s: next to %s write %s/*.go: no file of the folder itself matches", name, pattern, folder)
			}
		}
	}
	if below == 0 {
		t.Error("no rule is about everything below a folder: delete this test")
	}
}
