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

[Unreleased]: https://github.com/reboot-operator/reboot-operator/compare/v0.1.0...main
[0.1.0]: https://github.com/reboot-operator/reboot-operator/releases/tag/v0.1.0
`

func TestWhatIsUnreleasedGetsAVersion(t *testing.T) {
	got, err := release(changelog, "0.2.0", "2026-12-24")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		"## [Unreleased]\n", "## [Unreleased]\n\n## [0.2.0] - 2026-12-24\n",
		"v0.1.0...main\n", "v0.2.0...main\n[0.2.0]: https://github.com/reboot-operator/reboot-operator/releases/tag/v0.2.0\n",
	).Replace(changelog)
	if got != want {
		t.Errorf("-want +got:\n%s", cmp.Diff(want, got))
	}
	text, err := notes(got, "0.2.0")
	if err != nil || text != "### Added\n\n- A thing." {
		t.Errorf("notes %q, %v", text, err)
	}
	// Links at the end of the file belong to no version.
	text, err = notes(got, "0.1.0")
	if err != nil || text != "The first." {
		t.Errorf("notes of the last one %q, %v", text, err)
	}
}

func TestAChangelogThatDoesNotFitIsRefused(t *testing.T) {
	for name, one := range map[string]struct {
		from, to, version, date, want string
	}{
		"a version twice":   {"", "", "0.1.0", "2026-12-24", "has a heading for 0.1.0 already"},
		"no date":           {"", "", "0.2.0", "today", "is not a date"},
		"nothing new":       {"### Added\n\n- A thing.\n", "", "0.2.0", "2026-12-24", "has nothing below"},
		"no such a heading": {"## [Unreleased]", "## Next", "0.2.0", "2026-12-24", "has no heading"},
		"no link":           {"[Unreleased]: ", "[unreleased]: ", "0.2.0", "2026-12-24", "exactly one line"},
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

// chartFiles are those that name the version where there is a chart.
var chartFiles = map[string]string{
	"charts/reboot-operator/Chart.yaml": "name: it\nversion: 0.1.0 # comment\nappVersion: \"v0.1.0\"\nannotations:\n" +
		"  artifacthub.io/prerelease: \"false\"\n" +
		"  artifacthub.io/images: |\n    - name: it\n      image: ghcr.io/reboot-operator/reboot-operator:v0.1.0\n" +
		"  artifacthub.io/changes: |\n    - kind: fixed\n      description: \"Old.\"\n",
	"charts/reboot-operator/README.md": "Version 0.1.0 of the chart installs version v0.1.0 of it.\n" +
		"helm install it oci://ghcr.io/reboot-operator/charts/reboot-operator --version 0.1.0 \\\n",
	"config/gitops/argocd/helm.yaml":      "    chart: reboot-operator\n    targetRevision: 0.1.0\n",
	"config/gitops/flux/helmrelease.yaml": "  ref:\n    semver: 0.1.x\n",
	"test/chart/testdata/values.yaml":     "image: registry.example.com/reboot-operator:v0.1.0\nother: ghcr.io/x/reboot-operator:v0.1.0\n",
}

// newRepository is a folder with what names the version that is released.
func newRepository(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, changelogFile), changelog)
	write(t, folder+"/config/default/kustomization.yaml", "images:\n- name: x\n  newName: x\n  newTag: v0.1.0\n")
	write(t, folder+"/README.md", "make docker-build IMG=registry.example.com/team/reboot-operator:v0.1.0\n")
	write(t, folder+"/docs/install.md", "Releases begin with v0.1.0.\nVERSION=v0.1.0\n//config/default?ref=v0.1.0\n")
	for file, text := range chartFiles {
		write(t, filepath.Join(folder, file), text)
	}
	return folder
}

func TestAPreparedCommitCanBeReleased(t *testing.T) {
	folder := newRepository(t)
	err := check(folder, "v0.2.0")
	if err == nil {
		t.Fatal("a commit that is not prepared can be released")
	}
	for _, one := range []string{
		"no heading", "releases/v0.2.0 has no samples", `kustomization.yaml:4: "newTag: v0.1.0", expected "newTag: v0.2.0"`,
		"docs/install.md:2:", "docs/install.md:3:", "README.md:1:", "Chart.yaml:2:", "Chart.yaml:3:", "Chart.yaml:8:",
		"reboot-operator/README.md:1:", "reboot-operator/README.md:2:", `targetRevision: 0.2.0"`, `semver: 0.2.x"`, "values.yaml:1:",
		"make release-prepare TAG=v0.2.0",
	} {
		if !strings.Contains(err.Error(), one) {
			t.Errorf("%v: want %q in it", err, one)
		}
	}
	if err := prepare(folder, "v0.2.0", "2026-12-24"); err != nil {
		t.Fatal(err)
	}
	write(t, folder+"/test/crd/testdata/releases/v0.2.0/one.yaml", "{}")
	if err := check(folder, "v0.2.0"); err != nil {
		t.Error(err)
	}
	if text := read(t, folder+"/docs/install.md"); !strings.Contains(text, "Releases begin with v0.1.0.\nVERSION=v0.2.0\n") {
		t.Errorf("the page is\n%s", text)
	}
	if err := prepare(folder, "v0.2.0", "2026-12-24"); err == nil {
		t.Error("the same version was prepared twice")
	}
}

func TestAReleaseWithoutTheChartIsRefused(t *testing.T) {
	folder := newRepository(t)
	if err := prepare(folder, "v0.2.0", "2026-12-24"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder+"/charts", folder+"/moved"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"check": check(folder, "v0.2.0"), "prepare": prepare(folder, "v0.3.0", "2026-12-24")} {
		if err == nil || !strings.Contains(err.Error(), "charts/reboot-operator/Chart.yaml is missing") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPrereleaseIsNoneForEverybody(t *testing.T) {
	folder := newRepository(t)
	if err := prepare(folder, "v0.2.0-rc.1", "2026-12-24"); err != nil {
		t.Fatal(err)
	}
	want := "name: it\nversion: 0.2.0-rc.1\nappVersion: v0.2.0-rc.1\nannotations:\n" +
		"  artifacthub.io/prerelease: \"true\"\n" +
		"  artifacthub.io/images: |\n    - name: it\n      image: ghcr.io/reboot-operator/reboot-operator:v0.2.0-rc.1\n" +
		"  artifacthub.io/changes: |\n    - kind: added\n      description: \"A thing.\"\n"
	if diff := cmp.Diff(want, read(t, filepath.Join(folder, chartFolder, "Chart.yaml"))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// A range would not match a pre-release.
	if got := read(t, folder+"/config/gitops/flux/helmrelease.yaml"); got != "  ref:\n    semver: 0.2.0-rc.1\n" {
		t.Errorf("flux gets %q", got)
	}
}

func TestTheChartShowsWhatTheChangelogSays(t *testing.T) {
	got, err := changesOf("### Added\n\n- **A thing** of [many](docs/x.md), which\n  is \"new\". And more.\n- Another\n\n" +
		"### Fixed\n\n- `a.b` works. [Why](x)")
	want := "    - kind: added\n      description: \"A thing of many, which is \\\"new\\\".\"\n" +
		"    - kind: added\n      description: \"Another\"\n" +
		"    - kind: fixed\n      description: \"`a.b` works.\"\n"
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	if _, err := changesOf("### New\n\n- A thing."); err == nil {
		t.Error("a heading that Artifact Hub does not know is taken")
	}
	folder := newRepository(t)
	if err := prepare(folder, "v0.2.0", "2026-12-24"); err != nil {
		t.Fatal(err)
	}
	write(t, folder+"/test/crd/testdata/releases/v0.2.0/one.yaml", "{}")
	text := read(t, filepath.Join(folder, changelogFile))
	for _, edited := range []string{"- Another thing.", "- A thing.\n- And another one.", "Nothing."} {
		write(t, filepath.Join(folder, changelogFile), strings.Replace(text, "- A thing.", edited, 1))
		if err := check(folder, "v0.2.0"); err == nil || !strings.Contains(err.Error(), "charts/reboot-operator/Chart.yaml:") {
			t.Errorf("the changelog has %q, and the chart is taken: %v", edited, err)
		}
	}
}

func TestWhatCannotBePreparedIsLeftAsItWas(t *testing.T) {
	for file, want := range map[string]string{
		"charts/reboot-operator/Chart.yaml":   "Chart.yaml: expected exactly one line",
		"config/gitops/argocd/helm.yaml":      "argocd/helm.yaml: expected exactly one line",
		"config/gitops/flux/helmrelease.yaml": "helmrelease.yaml: expected exactly one line",
		"config/default/kustomization.yaml":   "kustomization.yaml: expected exactly one line",
		changelogFile:                         "no heading",
	} {
		t.Run(file, func(t *testing.T) {
			folder := newRepository(t)
			write(t, filepath.Join(folder, file), "name: it\n")
			if err := prepare(folder, "v0.2.0", "2026-12-24"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q in it", err, want)
			}
			if text := read(t, folder+"/docs/install.md"); !strings.Contains(text, "VERSION=v0.1.0") {
				t.Errorf("a page was changed: %s", text)
			}
		})
	}
	folder := newRepository(t)
	if err := os.Remove(folder + "/config/gitops/argocd/helm.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := prepare(folder, "v0.2.0", "2026-12-24"); err == nil || !strings.Contains(err.Error(), "helm.yaml is missing") {
		t.Errorf("a file is missing: %v", err)
	}
}

func TestADocumentThatATagMakesUntrueIsFound(t *testing.T) {
	folder := newRepository(t)
	for page, text := range map[string]string{
		"docs/one.md":        "Well.\n**Nothing is published yet.** More.\n",
		"docs/two.md":        "There are no published images.\n",
		"docs/adr/0001-x.md": "Nothing is published yet.\n",
		"THREE.md":           "The first release will be v0.2.0.\n",
		"docs/four.md":       "It is planned, and not there yet.\nNot before v0.2.0.\n",
		"SECURITY.md":        "# Security\n\n> **Proposal**, until the owner confirms it.\n",
		"docs/fine.md":       "Nothing is published before the first tag. Releases begin with v0.2.0.\n",
	} {
		write(t, filepath.Join(folder, page), text)
	}
	found, err := staleSentences(folder, true)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`SECURITY.md:3: a proposal: the owner of the repository has to confirm it and remove this line`,
		`THREE.md:1: "first release will" is untrue once there is a tag`,
		`docs/four.md:1: "not there yet" is untrue once there is a tag`,
		`docs/four.md:2: "Not before v0" is untrue once there is a tag`,
		`docs/one.md:2: "Nothing is published yet" is untrue once there is a tag`,
		`docs/two.md:1: "no published images" is untrue once there is a tag`,
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := check(folder, "v0.1.0"); err == nil || !strings.Contains(err.Error(), want[0]) {
		t.Errorf("it can be released: %v", err)
	}
}

func TestTheDocumentsAreTrueBeforeAndAfterATag(t *testing.T) {
	found, err := staleSentences("../..", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range found {
		t.Error(one)
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
