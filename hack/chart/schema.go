package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	sigsyaml "sigs.k8s.io/yaml"
)

const (
	schemaSource = "hack/chart/values.schema.yaml"
	schemaFile   = chartFolder + "/values.schema.json"
	valuesFile   = chartFolder + "/values.yaml"
)

// writeSchema writes the schema of the chart's values: what schemaSource says, with descriptions from the values, and with the spec of a
// policy from its kind.
func writeSchema(root string, crds map[string]string) error {
	source, err := os.ReadFile(filepath.Join(root, schemaSource))
	if err != nil {
		return err
	}
	var schema map[string]any
	if err := sigsyaml.UnmarshalStrict(source, &schema); err != nil {
		return fmt.Errorf("%s: %w", schemaSource, err)
	}
	definitions, _ := schema["$defs"].(map[string]any)
	if definitions["policySpec"], err = policySpec(crds); err != nil {
		return err
	}
	closeObjects(schema)
	if err := refuseContradictions(schema); err != nil {
		return err
	}
	values, err := os.ReadFile(filepath.Join(root, valuesFile))
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		return fmt.Errorf("%s: %w", valuesFile, err)
	}
	if err := describe(schema, document.Content[0], ""); err != nil {
		return fmt.Errorf("%s: %w", valuesFile, err)
	}
	written, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, schemaFile), append(written, '\n'), 0o644)
}

// policySpec is the schema of a policy's spec in the words of JSON Schema: without what only an API server knows.
func policySpec(crds map[string]string) (any, error) {
	for _, text := range crds {
		var kind apiextensionsv1.CustomResourceDefinition
		if err := sigsyaml.Unmarshal([]byte(text), &kind); err != nil {
			return nil, err
		}
		if kind.Spec.Names.Kind != "RebootPolicy" {
			continue
		}
		stored := slices.IndexFunc(kind.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool { return v.Storage })
		content, err := json.Marshal(kind.Spec.Versions[stored].Schema.OpenAPIV3Schema.Properties["spec"])
		if err != nil {
			return nil, err
		}
		var spec map[string]any
		err = json.Unmarshal(content, &spec)
		plain(spec)
		return spec, err
	}
	return nil, errors.New("there is no kind RebootPolicy")
}

// plain removes what is no JSON Schema, or says less than the API server: an API server checks the rest again, with better words.
func plain(schema any) {
	switch node := schema.(type) {
	case map[string]any:
		_, either := node["x-kubernetes-int-or-string"]
		for key, child := range node {
			if strings.HasPrefix(key, "x-kubernetes-") || key == "format" {
				delete(node, key)
				continue
			}
			if key != "properties" {
				plain(child)
				continue
			}
			properties, _ := child.(map[string]any)
			for _, property := range properties {
				plain(property)
			}
		}
		if either && node["anyOf"] == nil {
			node["type"] = []string{"integer", "string"}
		}
	case []any:
		for _, child := range node {
			plain(child)
		}
	}
}

// closeObjects refuses what is not named wherever something is.
func closeObjects(schema any) {
	switch node := schema.(type) {
	case map[string]any:
		_, named := node["properties"].(map[string]any)
		if _, said := node["additionalProperties"]; named && !said && node["type"] != nil {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			closeObjects(child)
		}
	case []any:
		for _, child := range node {
			closeObjects(child)
		}
	}
}

// describe takes the descriptions from the comments of the values. Every value has a place in the schema, and every place a value.
func describe(schema map[string]any, values *yaml.Node, path string) error {
	properties, _ := schema["properties"].(map[string]any)
	if properties == nil {
		return nil
	}
	for i := 0; i < len(values.Content); i += 2 {
		key, value := values.Content[i], values.Content[i+1]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		property, is := properties[key.Value].(map[string]any)
		if !is {
			return fmt.Errorf("%s is not in %s", name, schemaSource)
		}
		if description := comment(key.HeadComment); description != "" {
			if property["$ref"] != nil {
				property = map[string]any{"allOf": []any{property}}
				properties[key.Value] = property
			}
			property["description"] = description
		}
		if value.Kind == yaml.MappingNode {
			if err := describe(property, value, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// comment is what a comment of a value says, in one line.
func comment(text string) string {
	_, description, found := strings.Cut(text, "# -- ")
	if !found {
		return ""
	}
	description, _, _ = strings.Cut(description, "\n# @")
	return strings.ReplaceAll(description, "\n# ", " ")
}
