// Package loose makes CustomResourceDefinitions that take more than those of the project: what earlier versions took may still be stored.
package loose

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// Definitions reads the CustomResourceDefinitions of a folder.
func Definitions(folder string) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no definitions in %s: %w", folder, err)
	}
	var definitions []*apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a definition: %w", err)
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(text, definition); err != nil {
			return nil, fmt.Errorf("decode %s: %w", file, err)
		}
		definitions = append(definitions, definition)
	}
	return definitions, nil
}

// Schema of the only version.
func Schema(definition *apiextensionsv1.CustomResourceDefinition) *apiextensionsv1.JSONSchemaProps {
	return definition.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// Loosen removes rules, patterns of times and the upper bounds of numbers of 64 bits.
func Loosen(schema *apiextensionsv1.JSONSchemaProps) {
	Walk(schema, "", func(_ string, s *apiextensionsv1.JSONSchemaProps) {
		s.XValidations = nil
		if s.Format == "date-time" {
			s.Pattern = ""
		}
		if s.Format == "int64" {
			s.Maximum = nil
		}
	})
}

// Walk visits a schema and all schemas in it, in the order of their names.
func Walk(schema *apiextensionsv1.JSONSchemaProps, path string, visit func(path string, s *apiextensionsv1.JSONSchemaProps)) {
	visit(path, schema)
	names := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		property := schema.Properties[name]
		Walk(&property, path+"."+name, visit)
		schema.Properties[name] = property
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		Walk(schema.Items.Schema, path+"[]", visit)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		Walk(schema.AdditionalProperties.Schema, path+"{}", visit)
	}
}
