package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const chartMetadata = chartFolder + "/Chart.yaml"

// shownChanges is where the chart says for Artifact Hub what its version changes.
var shownChanges = regexp.MustCompile(`(?m)^  artifacthub\.io/changes: \|\n(?:    .*\n)*`)

// kindsOfChanges are those of Artifact Hub, by the headings of Keep a Changelog.
var kindsOfChanges = map[string]string{
	"Added": "added", "Changed": "changed", "Deprecated": "deprecated", "Removed": "removed", "Fixed": "fixed", "Security": "security",
}

var (
	linkText = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)
	sentence = regexp.MustCompile(`^.*?[.!?](?: |$)`)
)

// showChanges has the chart show what the changelog says about a version.
func showChanges(edits map[string]edit, changelog, version string) error {
	_, text, err := section(changelog, version)
	if err != nil {
		return err
	}
	changes, err := changesOf(text)
	if err != nil {
		return err
	}
	one := edits[chartMetadata]
	if found := shownChanges.FindAllString(one.is, -1); len(found) != 1 {
		return fmt.Errorf("%s: expected exactly one annotation artifacthub.io/changes with a list on lines of its own, found %d",
			chartMetadata, len(found))
	}
	one.is = shownChanges.ReplaceAllLiteralString(one.is, "  artifacthub.io/changes: |\n"+changes)
	edits[chartMetadata] = one
	return nil
}

// changesOf are the items of a section of the changelog, as Artifact Hub reads them: each by its first sentence, without links.
func changesOf(text string) (string, error) {
	var changes strings.Builder
	kind := ""
	for _, part := range strings.Split("\n"+text, "\n### ")[1:] {
		name, items, _ := strings.Cut(part, "\n")
		if kind = kindsOfChanges[name]; kind == "" {
			return "", fmt.Errorf("CHANGELOG.md: %q is no heading of Keep a Changelog", name)
		}
		for _, item := range strings.Split("\n"+items, "\n- ")[1:] {
			item = strings.Join(strings.Fields(item), " ")
			item = strings.ReplaceAll(linkText.ReplaceAllString(item, "$1"), "**", "")
			if first := sentence.FindString(item); first != "" {
				item = strings.TrimSpace(first)
			}
			fmt.Fprintf(&changes, "    - kind: %s\n      description: %s\n", kind, strconv.Quote(item))
		}
	}
	return changes.String(), nil
}
