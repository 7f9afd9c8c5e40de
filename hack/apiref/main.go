// Command apiref writes the reference of the API, docs/reference: one page for each kind, with every field, its type, default, bounds and
// rules. It reads the CRDs, because they are what the API server holds objects against, and the Go types for what each value of an enum
// means. It is a part of "make manifests".
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// The folders, from the root of the repository.
const (
	crdFolder  = "config/crd/bases"
	typeFolder = "api/v1alpha1"
	pageFolder = "docs/reference"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "apiref:", err)
		os.Exit(1)
	}
}

// run writes a page for each CRD of the repository at root.
func run(root string) error {
	pages, err := generate(root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, pageFolder), 0o755); err != nil {
		return fmt.Errorf("make the folder of the pages: %w", err)
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(root, pageFolder, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write a page: %w", err)
		}
	}
	return nil
}

// generate returns the pages by their file names.
func generate(root string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(root, crdFolder, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", crdFolder, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no CRDs in %s", crdFolder)
	}
	types, err := readTypes(filepath.Join(root, typeFolder))
	if err != nil {
		return nil, err
	}
	pages := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a CRD: %w", err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(content, crd); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		kind, err := readKind(crd, types)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		pages[strings.ToLower(kind.name)+".md"] = kind.page()
	}
	return pages, nil
}
