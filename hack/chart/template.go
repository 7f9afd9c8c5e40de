package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// namespace is what the manifests name where the chart has the namespace of the release.
const namespace = "reboot-operator-system"

// seamsUsed are the objects of the table of seams that there are.
type seamsUsed map[string]bool

// check fails for seams of objects that are gone.
func (used seamsUsed) check() error {
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if !used[key] {
			return fmt.Errorf("seams.go names %s, which no manifest has", key)
		}
	}
	return nil
}

// template makes a template of a file with manifests.
func template(name string, content []byte, used seamsUsed) (string, error) {
	condition, known := conditionOf(name)
	if !known {
		return "", errors.New("no value of the chart switches it on: add it to conditions in hack/chart/seams.go")
	}
	var all strings.Builder
	fmt.Fprintf(&all, "{{- /* Generated from config/%s by make chart. The comments there say why. */ -}}\n", name)
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all.String(), nil
		}
		if err != nil {
			return "", err
		}
		text, err := object(document.Content[0], condition, used)
		if err != nil {
			return "", err
		}
		all.WriteString(text)
	}
}

// object makes a template of one manifest.
func object(root *yaml.Node, condition string, used seamsUsed) (string, error) {
	key := scalar(root, "kind") + "/" + scalar(field(root, "metadata"), "name")
	used[key] = true
	own := objects[key]
	if own.when != "" && condition != "" {
		condition = "and (" + condition + ") (" + own.when + ")"
	} else if own.when != "" {
		condition = own.when
	}
	clean(root)
	s := &sewing{}
	all := slices.Concat(everyObject(own.labels), own.seams)
	if !own.ownAnnotations {
		all = append(all, annotations)
	}
	for _, seam := range all {
		if err := seam(s, root); err != nil {
			return "", fmt.Errorf("%s: %w", key, err)
		}
	}
	text, err := s.finish(root)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	text = "---\n" + strings.ReplaceAll(text, namespace, "{{ $.Release.Namespace }}")
	if own.each != "" {
		text = "{{- range " + own.each + " }}\n" + text + "{{- end }}\n"
	}
	if condition != "" {
		text = "{{- if " + condition + " }}\n" + text + "{{- end }}\n"
	}
	return text, nil
}

// clean removes comments: templates point to where they are.
func clean(node *yaml.Node) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	for _, child := range node.Content {
		clean(child)
	}
}

// sewing puts markers into a manifest, and text of the template in their place when it is written.
type sewing struct {
	texts []string
}

// A seam is one place of a manifest where a value decides.
type seam func(*sewing, *yaml.Node) error

func (s *sewing) mark(letter, text string) string {
	s.texts = append(s.texts, text)
	return fmt.Sprintf("SEAM%s%04d", letter, len(s.texts)-1)
}

// line is a marker for whole lines in a mapping or sequence.
func (s *sewing) line(container *yaml.Node, text string) []*yaml.Node {
	marker := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s.mark("L", text)}
	if container.Kind == yaml.SequenceNode {
		return []*yaml.Node{marker}
	}
	return []*yaml.Node{marker, {Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}}
}

var (
	lineMarker   = regexp.MustCompile(`(?m)^( *)(?:- )?SEAML(\d{4})(?:: null)?$`)
	inlineMarker = regexp.MustCompile(`(?m)^( *)(.*)SEAMV(\d{4})$`)
	numbered     = regexp.MustCompile(`INDENT([+]\d)?`)
)

// finish writes the manifest. INDENT in a text stands for the indentation of its line or, in the value of a key, of what is below the key.
func (s *sewing) finish(root *yaml.Node) (string, error) {
	var buffer bytes.Buffer
	encoder := yaml.NewEncoder(&buffer)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(root), encoder.Close()); err != nil {
		return "", err
	}
	written := strings.ReplaceAll(buffer.String(), "{{", `{{ "{{" }}`)
	written = lineMarker.ReplaceAllStringFunc(written, func(line string) string {
		found := lineMarker.FindStringSubmatch(line)
		lines := strings.Split(s.text(found[2], len(found[1])), "\n")
		return found[1] + strings.Join(lines, "\n"+found[1])
	})
	written = inlineMarker.ReplaceAllStringFunc(written, func(line string) string {
		found := inlineMarker.FindStringSubmatch(line)
		return found[1] + found[2] + s.text(found[3], len(found[1])+2)
	})
	if strings.Contains(written, "SEAM") {
		return "", errors.New("a seam was not written")
	}
	return written, nil
}

func (s *sewing) text(number string, indent int) string {
	n, _ := strconv.Atoi(number)
	return numbered.ReplaceAllStringFunc(s.texts[n], func(word string) string {
		more, _ := strconv.Atoi(strings.TrimPrefix(word, "INDENT"))
		return strconv.Itoa(indent + more)
	})
}
