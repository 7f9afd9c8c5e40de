// Package crd has the definitions of the kinds, for programs that check objects without a cluster.
package crd

import (
	"embed"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const folder = "bases"

//go:embed bases/*.yaml
var bases embed.FS

// Definitions are those that controller-gen writes, ordered by the names of their files.
func Definitions() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	files, err := bases.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read the definitions of the kinds: %w", err)
	}
	definitions := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(files))
	for _, file := range files {
		text, err := bases.ReadFile(folder + "/" + file.Name())
		if err != nil {
			return nil, fmt.Errorf("read the definitions of the kinds: %w", err)
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(text, definition); err != nil {
			return nil, fmt.Errorf("read %s: %w", file.Name(), err)
		}
		definitions = append(definitions, definition)
	}
	return definitions, nil
}
