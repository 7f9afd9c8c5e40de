package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Paths go through a manifest with slashes. An item of a list is named by its name, its
// port, its number, or how its text begins; a slash in a key is ~1.

// value has text in place of the value at path.
func value(path, text string) seam {
	return func(s *sewing, root *yaml.Node) error {
		place, err := find(root, path)
		if err != nil {
			return err
		}
		*place.value() = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s.mark("V", text)}
		return nil
	}
}

// when has the entry at path only if condition holds.
func when(path, condition string) seam {
	return around(path, "{{- if "+condition+" }}")
}

// override has a value of the chart in place of what is at path, unless the value is empty. A value of another meaning has another key.
func override(path, expression string, other ...string) seam {
	key := path[strings.LastIndex(path, "/")+1:]
	if len(other) > 0 {
		key = other[0]
	}
	return around(path, "{{- with "+expression+" }}\n"+key+": {{- toYaml . | nindent INDENT+2 }}\n{{- else }}")
}

// around puts what is at path into a condition of templates, which before begins.
func around(path, before string) seam {
	return func(s *sewing, root *yaml.Node) error {
		place, err := find(root, path)
		if err != nil {
			return err
		}
		place.insert(place.end(), s.line(place.container, "{{- end }}"))
		place.insert(place.begin, s.line(place.container, before))
		return nil
	}
}

// last has text at the end of the mapping or list at path.
func last(path, text string) seam {
	return func(s *sewing, root *yaml.Node) error {
		container := root
		if path != "" {
			place, err := find(root, path)
			if err != nil {
				return err
			}
			container = place.value()
		}
		container.Style = 0
		container.Content = append(container.Content, s.line(container, text)...)
		return nil
	}
}

// remove leaves out the entry at path.
func remove(path string) seam {
	return func(_ *sewing, root *yaml.Node) error {
		place, err := find(root, path)
		if err != nil {
			return err
		}
		place.container.Content = slices.Delete(place.container.Content, place.begin, place.end())
		return nil
	}
}

// mapping makes sure that there is a mapping at path, below one that is there.
func mapping(path string) seam {
	return func(_ *sewing, root *yaml.Node) error {
		if _, err := find(root, path); err == nil {
			return nil
		}
		above, key := root, path
		if cut := strings.LastIndex(path, "/"); cut >= 0 {
			place, err := find(root, path[:cut])
			if err != nil {
				return err
			}
			above, key = place.value(), path[cut+1:]
		}
		above.Content = append(above.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, &yaml.Node{Kind: yaml.MappingNode})
		return nil
	}
}

// place is an entry of a mapping, which is two nodes, or of a list, which is one.
type place struct {
	container *yaml.Node
	begin     int
}

func (p place) end() int {
	if p.container.Kind == yaml.MappingNode {
		return p.begin + 2
	}
	return p.begin + 1
}

func (p place) value() *yaml.Node { return p.container.Content[p.end()-1] }

func (p place) insert(at int, nodes []*yaml.Node) {
	p.container.Style = 0
	p.container.Content = slices.Insert(p.container.Content, at, nodes...)
}

func find(root *yaml.Node, path string) (place, error) {
	var here place
	container := root
	for part := range strings.SplitSeq(path, "/") {
		index := indexOf(container, strings.ReplaceAll(part, "~1", "/"))
		if index < 0 {
			return place{}, fmt.Errorf("there is no %s of %s", part, path)
		}
		here = place{container: container, begin: index}
		container = here.value()
	}
	return here, nil
}

func indexOf(container *yaml.Node, part string) int {
	switch container.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(container.Content); i += 2 {
			if container.Content[i].Value == part {
				return i
			}
		}
	case yaml.SequenceNode:
		for i, item := range container.Content {
			if strconv.Itoa(i) == part {
				return i
			}
			names := item.Kind == yaml.MappingNode && (scalar(item, "name") == part || scalar(item, "port") == part)
			if names || item.Kind == yaml.ScalarNode && strings.HasPrefix(item.Value, part) {
				return i
			}
		}
	}
	return -1
}

// field is the value of a key, or nil.
func field(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil {
		return nil
	}
	if index := indexOf(mapping, key); index >= 0 {
		return mapping.Content[index+1]
	}
	return nil
}

func scalar(mapping *yaml.Node, key string) string {
	if found := field(mapping, key); found != nil {
		return found.Value
	}
	return ""
}
