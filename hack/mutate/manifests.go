package main

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// shrinks are the keys of a manifest whose list items are dropped, one at a time. One item fewer is one right or one check fewer.
var shrinks = []string{
	"rules", "verbs", "resources", "apiGroups", "validations", "matchConditions", "variables", "matchConstraints",
	"resourceRules", "operations",
}

// manifestMutants returns the mutants of a file with roles, admission policies or webhooks.
func manifestMutants(file string, source []byte) ([]mutant, error) {
	var mutants []mutant
	documents, err := decodeAll(source)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	for _, document := range documents {
		edits(document, func(kind, old string, line int) {
			mutants = append(mutants, mutant{File: file, Line: line, Kind: kind, Old: old, source: encodeAll(documents)})
		})
	}
	return mutants, nil
}

func decodeAll(source []byte) ([]*yaml.Node, error) {
	var documents []*yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader(source)); ; {
		document := &yaml.Node{}
		if err := decoder.Decode(document); err != nil {
			if len(documents) > 0 && err.Error() == "EOF" {
				return documents, nil
			}
			return nil, err //nolint:wrapcheck // the caller names the file
		}
		documents = append(documents, document)
	}
}

func encodeAll(documents []*yaml.Node) []byte {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	for _, document := range documents {
		if err := encoder.Encode(document); err != nil {
			panic(err) // what was decoded can be encoded
		}
	}
	return out.Bytes()
}

// edits makes one change after the other, calls found while each is in place, and undoes it.
func edits(node *yaml.Node, found func(kind, old string, line int)) {
	if node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			if value.Kind == yaml.SequenceNode && slices.Contains(shrinks, key.Value) {
				shrink(key.Value, value, found)
			}
			if key.Value == "failurePolicy" {
				flip(value, found)
			}
		}
	}
	for _, child := range node.Content {
		edits(child, found)
	}
}

func shrink(key string, list *yaml.Node, found func(kind, old string, line int)) {
	whole := list.Content
	for i, item := range whole {
		list.Content = slices.Delete(slices.Clone(whole), i, i+1)
		found("drop one of "+key, oneLine(string(encodeAll([]*yaml.Node{item}))), item.Line)
	}
	list.Content = whole
}

func flip(value *yaml.Node, found func(kind, old string, line int)) {
	before := value.Value
	value.Value = map[string]string{"Fail": "Ignore", "Ignore": "Fail"}[before]
	found("other failurePolicy", before, value.Line)
	value.Value = before
}
