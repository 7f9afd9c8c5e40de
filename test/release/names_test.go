// Package release checks what releases are made with: workflows, names of what they publish, and the commands that publish it.
package release

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const root = "../.."

// modules are all go.mod files of the repository.
func modules(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "bin" || entry.Name() == "dist" || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.Name() == "go.mod" {
			relative, err := filepath.Rel(root, path)
			found = append(found, relative)
			return err
		}
		return nil
	})
	if err != nil || len(found) < 3 {
		t.Fatalf("go.mod files %v, %v", found, err)
	}
	return found
}

// makeVariable is what the Makefile assigns to a name.
func makeVariable(t *testing.T, name string) string {
	t.Helper()
	match := regexp.MustCompile(`(?m)^` + name + ` := (\S+)$`).FindStringSubmatch(read(t, root+"/Makefile"))
	if match == nil {
		t.Fatalf("the Makefile does not assign %s", name)
	}
	return match[1]
}

func decode[T any](t *testing.T, file string) T {
	t.Helper()
	var value T
	if err := yaml.Unmarshal([]byte(read(t, file)), &value); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return value
}

// Where the workflow pushes is what everything that installs the operator pulls.
func TestTheImageOfReleasesIsTheSameEverywhere(t *testing.T) {
	image, charts := makeVariable(t, "RELEASE_IMAGE"), makeVariable(t, "RELEASE_CHARTS")
	if want := "ghcr.io/reboot-operator/reboot-operator"; image != want {
		t.Errorf("the Makefile's image is %s, want %s", image, want)
	}
	workflow := decode[struct{ Env map[string]string }](t, root+"/.github/workflows/release.yml")
	if workflow.Env["IMAGE"] != image || workflow.Env["CHARTS"] != charts {
		t.Errorf("the workflow pushes to %v, the Makefile has %s and %s", workflow.Env, image, charts)
	}
	text := read(t, root+"/config/default/kustomization.yaml")
	match := regexp.MustCompile(`newName: (\S+)\n  newTag: (\S+)\n`).FindStringSubmatch(text)
	if match == nil {
		t.Fatal("config/default names no image")
	}
	name, tag := match[1], match[2]
	if name != image {
		t.Errorf("config/default has %s, want %s", name, image)
	}
	for _, page := range []string{"docs/install.md", "docs/releasing.md"} {
		for _, want := range []string{image, charts} {
			if !strings.Contains(read(t, filepath.Join(root, page)), want) {
				t.Errorf("%s does not say %s", page, want)
			}
		}
	}
	chart := decode[struct {
		Name, Version string
		AppVersion    string `yaml:"appVersion"`
	}](t, root+"/charts/reboot-operator/Chart.yaml")
	values := decode[struct {
		Image struct{ Repository, Tag, Digest string }
	}](t, root+"/charts/reboot-operator/values.yaml")
	if values.Image.Repository != image || values.Image.Tag != "" || values.Image.Digest != "" {
		t.Errorf("the chart's image is %+v: want %s, and the tag of appVersion", values.Image, image)
	}
	if chart.AppVersion != tag || "v"+chart.Version != tag || chart.Name != "reboot-operator" {
		t.Errorf("the chart is %+v, and config/default has %s", chart, tag)
	}
}

// An overlay on top of config/default replaces the image by the name that it has there.
func TestOverlaysInTheDocumentsReplaceTheImageByItsName(t *testing.T) {
	image := makeVariable(t, "RELEASE_IMAGE")
	pages, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, root+"/README.md") {
		for _, match := range regexp.MustCompile(`(?m)^- name: (\S+)\n  newName:`).FindAllStringSubmatch(read(t, page), -1) {
			found++
			if match[1] != image {
				t.Errorf("%s: an overlay replaces the image %s, and config/default has %s", page, match[1], image)
			}
		}
	}
	if found == 0 {
		t.Error("no overlay was found")
	}
}
