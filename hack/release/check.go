package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
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
	// What Artifact Hub shows: the image, and whether people should have it.
	chartImage = regexp.MustCompile(`(?m)^(      image: ghcr\.io/reboot-operator/reboot-operator:).+$`)
	prerelease = regexp.MustCompile(`(?m)^(  artifacthub\.io/prerelease: ).+$`)
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
	samples := "test/crd/testdata/releases/" + version
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
	inChart, err := chartFaults(root, version)
	if err != nil {
		return err
	}
	faults = append(faults, inChart...)
	if len(faults) > 0 {
		return fmt.Errorf("this commit can not be released as %s; make release-prepare TAG=%[1]s prepares it:\n- %s",
			version, strings.Join(faults, "\n- "))
	}
	return nil
}

// chartFaults says where the chart names another version. A repository without the chart has none.
func chartFaults(root, version string) ([]string, error) {
	file := filepath.Join(chartFolder, "Chart.yaml")
	text, err := os.ReadFile(filepath.Join(root, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	read, _, err := readMetadata(filepath.Join(root, chartFolder))
	if err != nil {
		return nil, err
	}
	var faults []string
	if want := strings.TrimPrefix(version, "v"); read.Version != want || read.AppVersion != version {
		faults = append(faults, fmt.Sprintf("%s has version %s and appVersion %s: want %s and %s",
			file, read.Version, read.AppVersion, want, version))
	}
	if image := chartImage.FindString(string(text)); image != "" && !strings.HasSuffix(image, ":"+version) {
		faults = append(faults, fmt.Sprintf("%s says %q", file, strings.TrimSpace(image)))
	}
	return faults, nil
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
			text = chartImage.ReplaceAllString(text, "${1}"+version)
			text = prerelease.ReplaceAllString(text, fmt.Sprintf("${1}%q", strconv.FormatBool(semver.Prerelease(version) != "")))
			return replace(text, appVersion, version)
		}
	}
	return apply(root, edits)
}

// apply makes all edits before it writes one, so that one that fails leaves nothing half done.
func apply(root string, edits map[string]func(string) (string, error)) error {
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
