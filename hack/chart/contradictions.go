package main

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// contradiction is values that do not go together, by their paths.
type contradiction struct {
	// When has what is set to what, and Unless what is not, or to something else.
	When   map[string]any `json:"when"`
	Unless map[string]any `json:"unless"`
	// At is the value that has to change, and Must what it has to be, in words.
	At   string `json:"at"`
	Must string `json:"must"`
}

// refuseContradictions writes them in the words of JSON Schema, which has no messages: the value must be a constant, and that is the
// message.
func refuseContradictions(schema map[string]any) error {
	const key = "contradictions"
	content, err := json.Marshal(schema[key])
	if err != nil {
		return err
	}
	var all []contradiction
	if err := json.Unmarshal(content, &all); err != nil {
		return err
	}
	delete(schema, key)
	var refused []any
	for _, one := range all {
		if len(one.When) == 0 || one.At == "" || one.Must == "" {
			return errors.New("a contradiction takes when, at and must")
		}
		var conditions []any
		for _, path := range slices.Sorted(maps.Keys(one.When)) {
			conditions = append(conditions, below(path, one.When[path], true))
		}
		for _, path := range slices.Sorted(maps.Keys(one.Unless)) {
			conditions = append(conditions, below(path, map[string]any{"not": one.Unless[path]}, false))
		}
		refused = append(refused, map[string]any{
			"if": map[string]any{"allOf": conditions}, "then": below(one.At, map[string]any{"const": one.Must}, true),
		})
	}
	schema["allOf"] = refused
	return nil
}

// below is a schema of the value at a path, which has to be there if it is required.
func below(path string, schema any, required bool) map[string]any {
	name, rest, deeper := strings.Cut(path, ".")
	if deeper {
		schema = below(rest, schema, required)
	}
	made := map[string]any{"properties": map[string]any{name: schema}}
	if required {
		made["required"] = []string{name}
	}
	return made
}
