package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
)

const chartFolder = "charts/reboot-operator"

// number is a version without its v.
const number = `\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?`

// spot is where files name the version that is released.
type spot struct {
	// files is a pattern of paths.
	files string
	// pattern matches it. The text of its first group stays.
	pattern *regexp.Regexp
	// form is what follows the group for a version; without one, the version without its v.
	form func(version string) string
	// exact means that the file has to be there, with exactly one match.
	exact bool
}

func full(version string) string { return version }

// spots are all places that name the version, but for the changelog. The commit that a tag names has its version in all of them.
func spots() []spot {
	anywhere := regexp.MustCompile(`(charts/reboot-operator --version |image\.tag=v|\?ref=v|newTag: v` +
		`|registry\.example\.com/(?:[a-z-]+/)*reboot-operator:v)` + number)
	metadata := chartMetadata
	return []spot{
		{files: "config/default/kustomization.yaml", pattern: regexp.MustCompile(`(?m)^(  newTag: ).+$`), form: full, exact: true},
		{files: "docs/*.md", pattern: anywhere},
		{files: "docs/install.md", pattern: regexp.MustCompile(`(?m)^(VERSION=v)` + number + `$`)},
		{files: "README.md", pattern: anywhere},
		{files: metadata, pattern: regexp.MustCompile(`(?m)^(version: ).+$`), exact: true},
		{files: metadata, pattern: regexp.MustCompile(`(?m)^(appVersion: ).+$`), form: full, exact: true},
		// What Artifact Hub shows: the image, and whether people should have it.
		{
			files: metadata, pattern: regexp.MustCompile(`(?m)^(      image: ghcr\.io/reboot-operator/reboot-operator:).+$`), form: full,
			exact: true,
		},
		{
			files: metadata, pattern: regexp.MustCompile(`(?m)^(  artifacthub\.io/prerelease: ).+$`), exact: true,
			form: func(version string) string {
				return strconv.Quote(strconv.FormatBool(semver.Prerelease(version) != ""))
			},
		},
		// make chart would write the same into the README of the chart.
		{files: chartFolder + "/README.md", pattern: regexp.MustCompile(`(?m)^(Version )` + number), exact: true},
		{files: chartFolder + "/README.md", pattern: regexp.MustCompile(`(installs version v)` + number), exact: true},
		{files: chartFolder + "/README.md", pattern: anywhere, exact: true},
		{files: "config/gitops/argocd/helm.yaml", pattern: regexp.MustCompile(`(?m)^(    targetRevision: ).+$`), exact: true},
		{
			files: "config/gitops/flux/helmrelease.yaml", pattern: regexp.MustCompile(`(?m)^(    semver: ).+$`), exact: true,
			form: patches,
		},
		// The tag that images have by default.
		{files: "test/chart/testdata/values.yaml", pattern: anywhere},
	}
}

// patches is the range of a version and its patches, as Flux reads it. A pre-release is in no such range.
func patches(version string) string {
	if semver.Prerelease(version) != "" {
		return strings.TrimPrefix(version, "v")
	}
	return strings.TrimPrefix(semver.MajorMinor(version), "v") + ".x"
}

// edit is a file as it is, and as it has to be.
type edit struct{ was, is string }

// faults are the lines that name another version.
func (e edit) faults(file string) []string {
	var found []string
	was, is := strings.Split(e.was, "\n"), strings.Split(e.is, "\n")
	for i := range was {
		switch {
		case i < len(is) && was[i] == is[i]:
		case len(was) != len(is):
			return append(found, fmt.Sprintf("%s:%d: from %q on, there are other lines than expected", file, i+1, strings.TrimSpace(was[i])))
		default:
			found = append(found, fmt.Sprintf("%s:%d: %q, expected %q", file, i+1, strings.TrimSpace(was[i]), strings.TrimSpace(is[i])))
		}
	}
	return found
}

// named returns the files that name a version, by their path, and how they name this one.
func named(root, version string) (map[string]edit, error) {
	edits := map[string]edit{}
	var faults []error
	for _, one := range spots() {
		faults = append(faults, one.edit(root, version, edits))
	}
	return edits, errors.Join(faults...)
}

// edit adds the edits of one spot to those that other spots made.
func (s spot) edit(root, version string, edits map[string]edit) error {
	paths, err := filepath.Glob(filepath.Join(root, s.files))
	if err != nil {
		return err
	}
	if len(paths) == 0 && s.exact {
		return fmt.Errorf("%s is missing, which names the version", s.files)
	}
	value := strings.TrimPrefix(version, "v")
	if s.form != nil {
		value = s.form(version)
	}
	for _, path := range paths {
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		one, ok := edits[file]
		if !ok {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			one = edit{was: string(text), is: string(text)}
		}
		if found := s.pattern.FindAllString(one.is, -1); s.exact && len(found) != 1 {
			return fmt.Errorf("%s: expected exactly one line matching %s, found %d", file, s.pattern, len(found))
		}
		one.is = s.pattern.ReplaceAllString(one.is, "${1}"+value)
		edits[file] = one
	}
	return nil
}
