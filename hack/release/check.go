package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

const changelogFile = "CHANGELOG.md"

// valid says what is wrong with a version that is to be released.
func valid(version string) error {
	if semver.Canonical(version) != version || semver.Build(version) != "" || version == "" {
		return fmt.Errorf("%q is not a version that can be released: write v1.2.3, or v1.2.3-rc.1", version)
	}
	return nil
}

// checkCommand says everything that keeps this commit from being released as a version.
func checkCommand(_ context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	version := flags.String("version", "", "the version, such as v1.2.3")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	return check(".", *version)
}

func check(root, version string) error {
	if err := valid(version); err != nil {
		return err
	}
	changelog, err := os.ReadFile(filepath.Join(root, changelogFile))
	if err != nil {
		return err
	}
	var faults []string
	if _, err := notes(string(changelog), strings.TrimPrefix(version, "v")); err != nil {
		faults = append(faults, err.Error())
	}
	samples := "test/crd/testdata/releases/" + version
	if found, err := filepath.Glob(filepath.Join(root, samples, "*.yaml")); err != nil || len(found) == 0 {
		faults = append(faults, samples+" has no samples")
	}
	edits, err := named(root, version)
	if err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) == 0 {
		if err := showChanges(edits, string(changelog), strings.TrimPrefix(version, "v")); err != nil {
			faults = append(faults, err.Error())
		}
	}
	for _, file := range slices.Sorted(maps.Keys(edits)) {
		faults = append(faults, edits[file].faults(file)...)
	}
	untrue, err := staleSentences(root, true)
	if err != nil {
		return err
	}
	faults = append(faults, untrue...)
	if len(faults) > 0 {
		return fmt.Errorf("this commit cannot be released as %s; make release-prepare TAG=%[1]s prepares it:\n- %s",
			version, strings.Join(faults, "\n- "))
	}
	return nil
}

// stale are sentences that a tag makes untrue. What a tag names cannot be corrected later, so they have to be true before and after it.
var stale = regexp.MustCompile(`(?i)nothing (is|was|has been) (published|released) (yet|so far)|no published images?|` +
	`(published|released|pushed) so far|will be (published|released)|first (release|version) will|are no images|` +
	`not there yet|not before v[0-9]`)

// proposal marks what the owner of the repository has to confirm before a version has it.
const proposal = "**Proposal**"

// staleSentences are the lines of the documents that a release would make untrue. Decisions in docs/adr have a date, and may say what was.
// Proposals are true until then.
func staleSentences(root string, proposals bool) ([]string, error) {
	var found []string
	for _, pattern := range []string{"*.md", "docs/*.md", "charts/*/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				return nil, err
			}
			relative, err := filepath.Rel(root, page)
			if err != nil {
				return nil, err
			}
			for i, line := range strings.Split(string(text), "\n") {
				if proposals && strings.Contains(line, proposal) {
					found = append(found, fmt.Sprintf("%s:%d: a proposal: the owner of the repository has to confirm it and remove this line",
						filepath.ToSlash(relative), i+1))
				}
				if match := stale.FindString(line); match != "" {
					found = append(found, fmt.Sprintf("%s:%d: %q is untrue once there is a tag", filepath.ToSlash(relative), i+1, match))
				}
			}
		}
	}
	return found, nil
}

// prepareCommand writes a version where check looks for it, but for samples, which `make release-samples` keeps.
func prepareCommand(_ context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("prepare", flag.ContinueOnError)
	version := flags.String("version", "", "the version, such as v1.2.3")
	date := flags.String("date", "", "the day of the release, such as 2026-12-24")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	return prepare(".", *version, *date)
}

// prepare makes all edits before it writes one, so that one that fails leaves nothing half done.
func prepare(root, version, date string) error {
	if err := valid(version); err != nil {
		return err
	}
	edits, err := named(root, version)
	if err != nil {
		return err
	}
	changelog, err := os.ReadFile(filepath.Join(root, changelogFile))
	if err != nil {
		return err
	}
	released, err := release(string(changelog), strings.TrimPrefix(version, "v"), date)
	if err != nil {
		return err
	}
	if err := showChanges(edits, released, strings.TrimPrefix(version, "v")); err != nil {
		return err
	}
	edits[changelogFile] = edit{was: string(changelog), is: released}
	for file, one := range edits {
		if one.was == one.is {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, file), []byte(one.is), 0o644); err != nil {
			return err
		}
	}
	return nil
}
