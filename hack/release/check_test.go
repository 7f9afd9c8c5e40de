package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const changelog = `# Changelog

## [Unreleased]

### Added

- A thing.

## [0.1.0] - 2026-01-02

The first.

[Unreleased]: https://example.com
`

func TestWhatIsUnreleasedGetsAVersion(t *testing.T) {
	got, err := release(changelog, "0.2.0", "2026-12-24")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(changelog, "## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2026-12-24\n", 1); got != want {
		t.Errorf("-want +got:\n%s", cmp.Diff(want, got))
	}
	text, err := notes(got, "0.2.0")
	if err != nil || text != "### Added\n\n- A thing." {
		t.Errorf("notes %q, %v", text, err)
	}
}

func TestAChangelogThatDoesNotFitIsRefused(t *testing.T) {
	for name, one := range map[string]struct {
		from, to, version, date, want string
	}{
		"a version twice":   {"", "", "0.1.0", "2026-12-24", "has a heading for 0.1.0 already"},
		"no date":           {"", "", "0.2.0", "today", "is no date"},
		"nothing new":       {"### Added\n\n- A thing.\n", "", "0.2.0", "2026-12-24", "has nothing below"},
		"no such a heading": {"## [Unreleased]", "## Next", "0.2.0", "2026-12-24", "has no heading"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(changelog, one.from, one.to, 1)
			if _, err := release(text, one.version, one.date); err == nil || !strings.Contains(err.Error(), one.want) {
				t.Errorf("got %v, want %q in it", err, one.want)
			}
		})
	}
	for name, one := range map[string]struct{ heading, want string }{
		"without a date": {"## [0.2.0] - unreleased\n\n- A thing.\n", "write \"## [0.2.0] - YYYY-MM-DD\""},
		"empty":          {"## [0.2.0] - 2026-12-24\n", "says nothing"},
		"missing":        {"## [0.3.0] - 2026-12-24\n\n- A thing.\n", "has no heading"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := notes(one.heading, "0.2.0"); err == nil || !strings.Contains(err.Error(), one.want) {
				t.Errorf("got %v, want %q in it", err, one.want)
			}
		})
	}
}

// repository is a folder with what names the version that is released.
func repository(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, changelogFile), changelog)
	write(t, filepath.Join(folder, kustomizationFile), "images:\n- name: x\n  newName: x\n  newTag: v0.1.0\n")
	write(t, filepath.Join(folder, chartFolder, "Chart.yaml"), "name: it\nversion: 0.1.0 # comment\nappVersion: \"v0.1.0\"\nannotations:\n"+
		"  artifacthub.io/prerelease: \"false\"\n"+
		"  artifacthub.io/images: |\n    - name: it\n      image: ghcr.io/reboot-operator/reboot-operator:v0.1.0\n")
	return folder
}

func TestAPreparedCommitCanBeReleased(t *testing.T) {
	folder := repository(t)
	err := check(folder, "v0.2.0")
	if err == nil {
		t.Fatal("a commit that is not prepared can be released")
	}
	for _, want := range []string{
		"no heading", "releases/v0.2.0 has no samples", "newTag: v0.2.0", "Chart.yaml has version 0.1.0", "reboot-operator:v0.1.0",
		"make release-prepare TAG=v0.2.0",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q in it", err, want)
		}
	}
	if err := prepare(folder, "v0.2.0", "2026-12-24"); err != nil {
		t.Fatal(err)
	}
	write(t, folder+"/test/crd/testdata/releases/v0.2.0/one.yaml", "{}")
	if err := check(folder, "v0.2.0"); err != nil {
		t.Error(err)
	}
	if err := prepare(folder, "v0.2.0", "2026-12-24"); err == nil {
		t.Error("the same version was prepared twice")
	}
}

func TestAPrereleaseIsNoneForEverybody(t *testing.T) {
	folder := repository(t)
	if err := prepare(folder, "v0.2.0-rc.1", "2026-12-24"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, chartFolder, "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := "name: it\nversion: 0.2.0-rc.1\nappVersion: v0.2.0-rc.1\nannotations:\n" +
		"  artifacthub.io/prerelease: \"true\"\n" +
		"  artifacthub.io/images: |\n    - name: it\n      image: ghcr.io/reboot-operator/reboot-operator:v0.2.0-rc.1\n"
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatCannotBePreparedIsLeftAsItWas(t *testing.T) {
	folder := repository(t)
	write(t, filepath.Join(folder, chartFolder, "Chart.yaml"), "name: it\n")
	if err := prepare(folder, "v0.2.0", "2026-12-24"); err == nil || !strings.Contains(err.Error(), "Chart.yaml: 0 lines") {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(folder, changelogFile)); err != nil || string(text) != changelog {
		t.Errorf("the changelog was changed: %s, %v", text, err)
	}
}

func TestOnlyVersionsAreReleased(t *testing.T) {
	for version, want := range map[string]bool{
		"v0.2.0": true, "v1.0.0-rc.1": true,
		"": false, "0.2.0": false, "v0.2": false, "v0.2.0+build": false, "latest": false,
	} {
		if err := valid(version); (err == nil) != want {
			t.Errorf("%q: %v", version, err)
		}
	}
}
