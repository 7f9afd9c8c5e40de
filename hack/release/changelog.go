package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// heading is the heading of a version in the format of https://keepachangelog.com. The date follows the name.
var heading = regexp.MustCompile(`(?m)^## \[([^\]]+)\](.*)$`)

// dated is what follows the version in the heading of a version that may be released.
var dated = regexp.MustCompile(`^ - \d{4}-\d{2}-\d{2}$`)

// definition is a link that headings have, at the end of the file.
var definition = regexp.MustCompile(`(?m)^\[[^\]]+\]: `)

// unreleasedLink says what is compared for the heading of what is not released yet.
var unreleasedLink = regexp.MustCompile(`(?m)^\[Unreleased\]: .*$`)

const (
	unreleased = "Unreleased"
	repository = "https://github.com/reboot-operator/reboot-operator"
)

// section returns what follows the name in the heading of a version, and what the changelog says about it.
func section(changelog, version string) (after, text string, err error) {
	all := heading.FindAllStringSubmatchIndex(changelog, -1)
	for i, one := range all {
		if changelog[one[2]:one[3]] != version {
			continue
		}
		end := len(changelog)
		if i+1 < len(all) {
			end = all[i+1][0]
		}
		text := changelog[one[1]:end]
		if links := definition.FindStringIndex(text); links != nil {
			text = text[:links[0]]
		}
		return changelog[one[4]:one[5]], strings.TrimSpace(text), nil
	}
	return "", "", fmt.Errorf("CHANGELOG.md has no heading \"## [%s]\"", version)
}

// notes returns what the changelog says about a version that may be released: it has a date, and something to say.
func notes(changelog, version string) (string, error) {
	after, text, err := section(changelog, version)
	switch {
	case err != nil:
		return "", err
	case !dated.MatchString(after):
		return "", fmt.Errorf("CHANGELOG.md: write \"## [%s] - YYYY-MM-DD\" instead of \"## [%s]%s\"", version, version, after)
	case text == "":
		return "", fmt.Errorf("CHANGELOG.md says nothing about %s", version)
	}
	return text, nil
}

// release gives what is not released yet the heading of a version, below one for what comes later.
func release(changelog, version, date string) (string, error) {
	if !dated.MatchString(" - " + date) {
		return "", fmt.Errorf("%q is not a date such as 2026-12-24", date)
	}
	if _, _, err := section(changelog, version); err == nil {
		return "", fmt.Errorf("CHANGELOG.md has a heading for %s already", version)
	}
	_, text, err := section(changelog, unreleased)
	if err != nil {
		return "", err
	}
	if text == "" {
		return "", fmt.Errorf("CHANGELOG.md has nothing below \"## [%s]\" that %s would release", unreleased, version)
	}
	head := "## [" + unreleased + "]"
	changelog = strings.Replace(changelog, head, fmt.Sprintf("%s\n\n## [%s] - %s", head, version, date), 1)
	links := fmt.Sprintf("[%s]: %s/compare/v%s...main\n[%[3]s]: %[2]s/releases/tag/v%[3]s", unreleased, repository, version)
	if found := unreleasedLink.FindAllString(changelog, -1); len(found) != 1 {
		return "", fmt.Errorf("CHANGELOG.md: expected exactly one line that begins with \"[%s]: \", found %d", unreleased, len(found))
	}
	return unreleasedLink.ReplaceAllLiteralString(changelog, links), nil
}

// notesCommand prints the notes of a release: its section of the changelog, and how to verify what was downloaded.
func notesCommand(_ context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("notes", flag.ContinueOnError)
	version := flags.String("version", "", "the version, such as v1.2.3")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	changelog, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	text, err := notes(string(changelog), strings.TrimPrefix(*version, "v"))
	if err != nil {
		return err
	}
	const below = "%s\n\n## Install and verify\n\n" +
		"[How to install it](%[3]s/blob/%[2]s/docs/install.md), and how to verify the signatures, " +
		"the provenance, and that these files are what the sources say. `digests.txt` has the digests of the image and of the chart.\n"
	_, err = fmt.Fprintf(out, below, text, *version, repository)
	return err
}
