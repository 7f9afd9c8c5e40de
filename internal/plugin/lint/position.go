package lint

import (
	"strconv"

	yamlv3 "go.yaml.in/yaml/v3"

	"github.com/reboot-operator/reboot-operator/internal/plugin/schema"
)

// lineOf a path such as spec.schedule.windows[0].cron; of what is not written, the line of what it would be part of.
func lineOf(node *yamlv3.Node, path string) int {
	line := node.Line
	for _, step := range schema.Steps(path) {
		key, next := enter(node, step)
		if next == nil {
			return line
		}
		node, line = next, next.Line
		if key != nil {
			line = key.Line
		}
	}
	return line
}

// resolve an alias. What it stands for is never an alias.
func resolve(node *yamlv3.Node) *yamlv3.Node {
	if node.Kind == yamlv3.AliasNode {
		return node.Alias
	}
	return node
}

// enter a field of a mapping, or an item of a list by its number or name.
func enter(node *yamlv3.Node, step string) (key, value *yamlv3.Node) {
	switch node.Kind {
	case yamlv3.MappingNode:
		for i := 0; i < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], resolve(node.Content[i+1])
			}
		}
	case yamlv3.SequenceNode:
		if number, err := strconv.ParseUint(step, 10, 31); err == nil && int(number) < len(node.Content) {
			return nil, resolve(node.Content[int(number)])
		}
		for _, item := range node.Content {
			if name := child(resolve(item), "name"); name != nil && name.Value == step {
				return nil, resolve(item)
			}
		}
	}
	return nil, nil
}

// child of a mapping; nil if there is none.
func child(node *yamlv3.Node, field string) *yamlv3.Node {
	_, value := enter(node, field)
	return value
}
