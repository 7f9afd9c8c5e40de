// Command chart writes what is generated of the Helm chart in charts/reboot-operator: templates, of the manifests in config/, kinds and
// the schema of values. The file seams.go says where a value decides.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	configFolder = "config"
	chartFolder  = "charts/reboot-operator"
	// generatedFolder is below the chart's templates. It has generated files only.
	generatedFolder = chartFolder + "/templates/generated"
	// crdFolder has the kinds. Helm applies them before it renders the chart, so that policies are ordinary objects from the first install on.
	crdFolder = chartFolder + "/crds"
	crdSource = configFolder + "/crd/bases"
	// dashboardFolder has the dashboards, which have braces of their own and so are no templates.
	dashboardFolder = chartFolder + "/files/dashboards"
	dashboardSource = configFolder + "/components/dashboards"
)

// notInChart are folders of config/ with nothing that is installed.
var notInChart = []string{"crd", "default", "gitops", "overlays", "samples"}

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// run works below root, the top of the repository.
func run(root string) error {
	templates, err := allTemplates(filepath.Join(root, configFolder))
	if err != nil {
		return err
	}
	crds, err := readFiles(filepath.Join(root, crdSource), ".yaml")
	if err != nil {
		return err
	}
	dashboards, err := readFiles(filepath.Join(root, dashboardSource), ".json")
	if err != nil {
		return err
	}
	if err := replaceFolder(filepath.Join(root, generatedFolder), templates); err != nil {
		return err
	}
	marked, err := markedKinds(crds)
	if err != nil {
		return err
	}
	if err := replaceFolder(filepath.Join(root, crdFolder), marked); err != nil {
		return err
	}
	if err := replaceFolder(filepath.Join(root, dashboardFolder), dashboards); err != nil {
		return err
	}
	return writeSchema(root, crds)
}

// allTemplates are the templates by their path, made of every manifest below config.
func allTemplates(config string) (map[string]string, error) {
	templates := map[string]string{}
	used := seamsUsed{}
	err := filepath.WalkDir(config, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(config, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			if slices.Contains(notInChart, name) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".yaml") || filepath.Base(name) == "kustomization.yaml" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if templates[name], err = template(name, content, used); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
	return templates, errors.Join(err, used.check())
}

// readFiles are the files of a folder whose names end like this, as they are.
func readFiles(folder, extension string) (map[string]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != extension {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		files[entry.Name()] = string(content)
	}
	return files, nil
}

// replaceFolder makes a folder have these files and no others.
func replaceFolder(folder string, files map[string]string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
