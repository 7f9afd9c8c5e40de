package kured

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// input is a configuration of kured as it was found.
type input struct {
	report
	// file that is read, for sources.
	file string
	// lines says whether the file has lines: an object of a cluster has none that anyone knows.
	lines bool
	// offset is added to lines of text within a file.
	offset int

	arguments []argument
	variables []variable
	version   version
	// values of this project's chart, as far as they follow from what is not a flag.
	values map[string]any
	// nodes are the labels of the nodes that kured runs on.
	nodes map[string]string
	// mounts are directories of the host by where kured's container has them.
	mounts map[string]string
	// chart says that kured was installed by its chart.
	chart bool
	// locked is the value of the lock's annotation.
	annotations map[string]string
	name        string
	namespace   string
	found       int
}

// errNotKured is text that is about something else.
var errNotKured = errors.New("there is no configuration of kured in it: give the values of kured's chart, a Flux HelmRelease or an " +
	"Argo CD " +
	"Application of it, or kured's DaemonSet")

// mostBytes bounds what is read.
const mostBytes = 4 << 20

// read finds the configuration in a file of one or several YAML documents.
func (in *input) read(data []byte) error {
	if len(data) > mostBytes {
		return fmt.Errorf("%s has more than %d bytes", in.file, mostBytes)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s is not YAML: %w", in.file, err)
		}
		if len(document.Content) == 1 {
			in.document(document.Content[0])
		}
	}
	switch {
	case in.found == 0 && len(in.findings) > 0:
		return nil
	case in.found == 0:
		return fmt.Errorf("%s: %w", in.file, errNotKured)
	case in.found > 1:
		in.wrong(Source{File: in.file}, "it has %d configurations of kured: run this for each of them, with a policy for each", in.found)
	}
	return nil
}

// document is one document of a file.
func (in *input) document(node *yaml.Node) {
	switch kind := scalar(child(node, "kind")); kind {
	case "":
		in.helm(node)
	case "List", "DaemonSetList":
		in.list(node)
	case "DaemonSet":
		in.daemonSet(node)
	case "HelmRelease":
		if scalar(at(node, "spec.chart.spec.chart")) == "kured" || isValues(at(node, "spec.values")) {
			in.release(node)
		}
	case "Application":
		in.application(node)
	case "HelmChart":
		if scalar(at(node, "spec.chart")) == "kured" || strings.HasSuffix(scalar(at(node, "spec.chart")), "/kured") {
			in.within(at(node, "spec.valuesContent"))
		}
	}
}

// list of objects. Lists are not nested.
func (in *input) list(node *yaml.Node) {
	for _, item := range items(child(node, "items")) {
		if kind := scalar(child(item, "kind")); kind != "" && !strings.HasSuffix(kind, "List") {
			in.document(item)
		}
	}
}

// release is a HelmRelease of Flux.
func (in *input) release(node *yaml.Node) {
	if from := at(node, "spec.valuesFrom"); len(items(from)) > 0 {
		in.wrong(in.source(from, "spec.valuesFrom"), "more values are in a ConfigMap or a Secret, which are not read: get all of them with "+
			"'helm get values --all' and run this on that")
	}
	values := at(node, "spec.values")
	if values == nil {
		in.wrong(in.source(node, "spec.values"), "the HelmRelease has no values, and the defaults depend on the version of the chart: run "+
			"this on the DaemonSet")
		in.found++
		return
	}
	in.helm(values)
}

// application is an Application of Argo CD.
func (in *input) application(node *yaml.Node) {
	sources := append(items(at(node, "spec.sources")), at(node, "spec.source"))
	for _, source := range sources {
		if scalar(child(source, "chart")) != "kured" && !strings.HasSuffix(scalar(child(source, "path")), "kured") {
			continue
		}
		helm := child(source, "helm")
		for _, name := range []string{"parameters", "valueFiles", "fileParameters"} {
			if other := child(helm, name); len(items(other)) > 0 {
				in.wrong(in.source(other, "helm."+name), "more values are elsewhere: get all of them with 'helm get values --all', or run this on "+
					"the DaemonSet")
			}
		}
		switch {
		case child(helm, "valuesObject") != nil:
			in.helm(child(helm, "valuesObject"))
		case child(helm, "values") != nil:
			in.within(child(helm, "values"))
		}
	}
}

// within reads values that are text in YAML.
func (in *input) within(node *yaml.Node) {
	var document yaml.Node
	if node == nil {
		return
	}
	if err := yaml.Unmarshal([]byte(node.Value), &document); err != nil {
		in.wrong(in.source(node, ""), "the text is not YAML: %v", err)
		return
	}
	if len(document.Content) == 1 {
		// A block of text begins below the line of its key.
		in.offset = node.Line
		in.helm(document.Content[0])
		in.offset = 0
	}
}

// source of a node of the file.
func (in *input) source(node *yaml.Node, name string) Source {
	s := Source{File: in.file, Name: name}
	if in.lines && node != nil {
		s.Line = node.Line + in.offset
	}
	return s
}

// child of a mapping.
func child(node *yaml.Node, key string) *yaml.Node {
	node = followed(node)
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return followed(node.Content[i+1])
		}
	}
	return nil
}

// at is the node at a path of keys.
func at(node *yaml.Node, path string) *yaml.Node {
	for key := range strings.SplitSeq(path, ".") {
		node = child(node, key)
	}
	return node
}

// followed is what an alias stands for.
func followed(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// items of a list.
func items(node *yaml.Node) []*yaml.Node {
	if node == nil || node.Kind != yaml.SequenceNode {
		return nil
	}
	all := slices.Clone(node.Content)
	for i := range all {
		all[i] = followed(all[i])
	}
	return all
}

// scalar is the text of a node that is one.
func scalar(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return ""
	}
	return node.Value
}

// pair is a key of a mapping with its value.
type pair struct{ key, value *yaml.Node }

func pairs(node *yaml.Node) []pair {
	node = followed(node)
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	var all []pair
	for i := 0; i+1 < len(node.Content); i += 2 {
		all = append(all, pair{node.Content[i], followed(node.Content[i+1])})
	}
	return all
}

// plainOf is a node as values that YAML and JSON have.
func plainOf(node *yaml.Node) any {
	var v any
	if node == nil || node.Decode(&v) != nil {
		return nil
	}
	return v
}
