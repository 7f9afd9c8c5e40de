package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// numbered finds what a path says about a container by its number.
var numbered = regexp.MustCompile(`^/spec/template/spec/(initContainers|containers)/\d+`)

// A JSON patch names a container by its number. Where containers are added or change their order, it has to fail and not to change another.
func TestNoPatchOfAContainerByNumberIsAppliedToAnother(t *testing.T) {
	patches := 0
	for name, text := range patchTexts(t) {
		var operations []map[string]any
		if err := yaml.Unmarshal([]byte(text), &operations); err != nil {
			continue // a strategic merge patch, which names containers by their names
		}
		tested := map[string]bool{}
		for _, fields := range operations {
			op, path := fields["op"], fmt.Sprint(fields["path"])
			container := numbered.FindString(path)
			switch {
			case container == "":
			case op == "test" && path == container+"/name":
				tested[container] = true
			case !tested[container]:
				t.Errorf("%s: begin with {op: test, path: %s/name, value: its name} before %s", name, container, path)
			default:
				patches++
			}
		}
	}
	if patches < 5 {
		t.Errorf("only %d patches of containers by number were found", patches)
	}
}

// patchTexts are all patches of kustomizations in config/, and in the documentation.
func patchTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	root, err := configRoot()
	if err != nil {
		t.Fatal(err)
	}
	kustomizations := documented(t, filepath.Dir(root))
	files, err := filepath.Glob(filepath.Join(root, "*", "*", "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kustomizations[file] = string(content)
	}
	for name, text := range kustomizations {
		var kustomization struct {
			Patches []struct{ Patch string }
		}
		if err := yaml.Unmarshal([]byte(text), &kustomization); err != nil {
			continue // not about one object
		}
		for i, patch := range kustomization.Patches {
			texts[fmt.Sprintf("%s, patch %d", name, i+1)] = patch.Patch
		}
	}
	return texts
}

// documented are the examples in YAML of all pages, by the page and the number of the line.
func documented(t *testing.T, root string) map[string]string {
	t.Helper()
	examples := map[string]string{}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		line := 1
		for i, block := range strings.Split(string(content), "```") {
			if text, is := strings.CutPrefix(block, "yaml\n"); is && i%2 == 1 {
				examples[fmt.Sprintf("%s:%d", filepath.Base(page), line)] = text
			}
			line += strings.Count(block, "\n")
		}
	}
	return examples
}
