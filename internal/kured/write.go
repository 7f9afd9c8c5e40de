package kured

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// PolicyYAML is the policy, with the findings as comments above it.
func (r *Result) PolicyYAML() ([]byte, error) {
	if r.Policy == nil {
		return nil, nil
	}
	data, err := json.Marshal(r.Policy)
	if err != nil {
		return nil, fmt.Errorf("write the policy: %w", err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, fmt.Errorf("write the policy: %w", err)
	}
	delete(object, "status")
	if metadata, is := object["metadata"].(map[string]any); is {
		delete(metadata, "creationTimestamp")
	}
	return commented(r.Findings, object)
}

// ValuesYAML are the values of the chart, without the policy.
func (r *Result) ValuesYAML() ([]byte, error) {
	if r.Policy == nil {
		return nil, nil
	}
	return commented(nil, r.Values)
}

const widest = 120

func commented(findings []Finding, v any) ([]byte, error) {
	data, err := yaml.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	var b strings.Builder
	b.WriteString("# Written by 'kubectl reboots from-kured'.\n")
	for _, f := range findings {
		b.WriteString(wrapped(f.String()))
	}
	return append([]byte(b.String()), data...), nil
}

// wrapped text as comments.
func wrapped(text string) string {
	var b strings.Builder
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > widest && line != "#" {
			b.WriteString(line + "\n")
			line = "#  "
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}
