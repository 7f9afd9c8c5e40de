package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/semver"
)

// Files that name the version which is released, and are in the commit that its tag names.
const (
	changelogFile     = "CHANGELOG.md"
	kustomizationFile = "config/default/kustomization.yaml"
	chartFolder       = "charts/reboot-operator"
)

var (
	newTag       = regexp.MustCompile(`(?m)^(  newTag: )\S+$`)
	chartVersion = regexp.MustCompile(`(?m)^(version: ).+$`)
	appVersion   = regexp.MustCompile(`(?m)^(appVersion: ).+$`)
)

// valid says what is wrong with a version that is to be released.
func valid(version string) error {
	if semver.Canonical(version) != version || semver.Build(version) != "" || version == "" {
		return fmt.Errorf("%q is no version that can be released: write v1.2.3, or v1.2.3-rc.1", version)
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
	var faults []string
	changelog, err := os.ReadFile(filepath.Join(root, changelogFile))
	if err != nil {
		return err
	}
	if _, err := notes(string(changelog), strings.TrimPrefix(version, "v")); err != nil {
		faults = append(faults, err.Error())
	}
	samples := filepath.Join("test/crd/testdata/releases", version)
	if found, err := filepath.Glob(filepath.Join(root, samples, "*.yaml")); err != nil || len(found) == 0 {
		faults = append(faults, samples+" has no samples")
	}
	kustomization, err := os.ReadFile(filepath.Join(root, kustomizationFile))
	if err != nil {
		return err
	}
	if want := "  newTag: " + version; newTag.FindString(string(kustomization)) != want {
		faults = append(faults, fmt.Sprintf("%s: want %q", kustomizationFile, want))
	}
	if _, err := os.Stat(filepath.Join(root, chartFolder)); err == nil {
		read, _, err := readMetadata(filepath.Join(root, chartFolder))
		if err != nil {
			return err
		}
		if want := strings.TrimPrefix(version, "v"); read.Version != want || read.AppVersion != version {
			faults = append(faults, fmt.Sprintf("%s/Chart.yaml has version %s and appVersion %s: want %s and %s",
				chartFolder, read.Version, read.AppVersion, want, version))
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("this commit can not be released as %s; make release-prepare TAG=%s prepares it:\n- %s", version, version, strings.Join(faults, "\n- "))
	}
	return nil
}

// prepareCommand writes a version where check looks for it, but for samples, which `make release-samples` keeps.
func prepareCommand(_ context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("prepare", flag.ContinueOnError)
	version, date := flags.String("version", "", "the version, such as v1.2.3"), flags.String("date", "", "the day of the release, such as 2026-12-24")
	if _, err := parse(flags, args); err != nil {
		return err
	}
	return prepare(".", *version, *date)
}

func prepare(root, version, date string) error {
	if err := valid(version); err != nil {
		return err
	}
	bare := strings.TrimPrefix(version, "v")
	edits := map[string]func(string) (string, error){
		changelogFile: func(text string) (string, error) { return release(text, bare, date) },
		kustomizationFile: func(text string) (string, error) {
			return replace(text, newTag, version)
		},
	}
	if _, err := os.Stat(filepath.Join(root, chartFolder)); err == nil {
		edits[filepath.Join(chartFolder, "Chart.yaml")] = func(text string) (string, error) {
			text, err := replace(text, chartVersion, bare)
			if err != nil {
				return "", err
			}
			return replace(text, appVersion, version)
		}
	}
	// All are made before one is written, so that one that fails leaves nothing half done.
	made := map[string]string{}
	for file, edit := range edits {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return err
		}
		if made[file], err = edit(string(text)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	for file, text := range made {
		if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// replace puts a value behind what the pattern keeps. The pattern has to be there exactly once.
func replace(text string, pattern *regexp.Regexp, value string) (string, error) {
	if found := pattern.FindAllString(text, -1); len(found) != 1 {
		return "", fmt.Errorf("%d lines as %s, and should be one", len(found), pattern)
	}
	return pattern.ReplaceAllString(text, "${1}"+value), nil
}
