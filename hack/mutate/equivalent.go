package main

import (
	_ "embed"
	"fmt"

	"sigs.k8s.io/yaml"
)

//go:embed equivalent.yaml
var equivalentList []byte

// readEquivalents returns the reasons why mutants change nothing, by key.
func readEquivalents(list []byte) (map[string]string, error) {
	var reasons map[string]string
	if err := yaml.UnmarshalStrict(list, &reasons); err != nil {
		return nil, fmt.Errorf("read the equivalent mutants: %w", err)
	}
	return reasons, nil
}
