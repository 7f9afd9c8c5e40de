package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

var (
	target  = regexp.MustCompile(`^([a-z0-9-]+):.*## (.+)$`)
	tests   = regexp.MustCompile(`(?m)^TESTS := (.+)$`)
	noTests = regexp.MustCompile(`(?m)^NO_TESTS := (.+)$`)
)

// leftOut are the targets of the section Test of a Makefile that its target test does not run, each with what it says of itself. The
// variable TESTS names those that it runs, and NO_TESTS those that test nothing.
func leftOut(makefile string) ([]string, error) {
	content, err := os.ReadFile(makefile)
	if err != nil {
		return nil, fmt.Errorf("read what make test does not run: %w", err)
	}
	_, section, found := strings.Cut(string(content), "\n##@ Test\n")
	section, _, _ = strings.Cut(section, "\n##@ ")
	run, others := tests.FindStringSubmatch(section), noTests.FindStringSubmatch(section)
	if !found || len(run) == 0 || len(others) == 0 {
		return nil, fmt.Errorf("%s has no section Test with the variables TESTS and NO_TESTS", makefile)
	}
	known := slices.Concat(strings.Fields(run[1]), strings.Fields(others[1]))
	var lines []string
	for line := range strings.Lines(section) {
		found := target.FindStringSubmatch(strings.TrimSpace(line))
		if len(found) > 0 && found[1] != "test" && !slices.Contains(known, found[1]) {
			lines = append(lines, fmt.Sprintf("make %-18s %s", found[1], found[2]))
		}
	}
	return lines, nil
}
