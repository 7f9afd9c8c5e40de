package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheRunsOfSeveralVersionsAreATable(t *testing.T) {
	folder := t.TempDir()
	var out strings.Builder
	if err := writeTable(folder, &out); err == nil {
		t.Error("no run, and no error")
	}
	times := "1.32.2 754\n1.36.3 61\n1.38.0-beta.0 12\n"
	if err := os.WriteFile(filepath.Join(folder, "times"), []byte(times), 0o600); err != nil {
		t.Fatal(err)
	}
	for version, runs := range map[string][]summary{
		"1.32.2": {{Passed: 1000}, {Passed: 2, Failed: []string{"a TestA"}}},
		"1.36.3": {{Passed: 1003, Skipped: []string{"b TestB: no program"}}},
	} {
		for _, run := range runs {
			if err := run.addTo(filepath.Join(folder, version+".summary")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := writeTable(folder, &out); err != nil {
		t.Fatal(err)
	}
	want := `
Kubernetes     passed       failed  skipped  time
1.32.2         1002         1       0        12m34s
1.36.3         1003         0       1        1m1s
1.38.0-beta.0  no test ran                   12s
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
