package lint

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Limits of what is read. A file that is larger holds no policies that anyone wrote.
const (
	maxFile = 16 << 20
	// maxNodes of one document, with everything that aliases repeat.
	maxNodes = 1 << 18
)

// document is one object of a file.
type document struct {
	file string
	// node of the object, for lines; offset is how many lines of the file come before its YAML document.
	node   *yamlv3.Node
	offset int
	value  map[string]any
}

// line of a path in the object.
func (d *document) line(path string) int { return d.offset + lineOf(d.node, path) }

// readFiles reads files, the files of folders, and the standard input, which is called -.
func readFiles(names []string, recursive bool, in io.Reader) (map[string][]byte, []string, error) {
	contents, order := map[string][]byte{}, []string{}
	add := func(name string, from io.Reader) error {
		text, err := io.ReadAll(io.LimitReader(from, maxFile+1))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if _, known := contents[name]; !known {
			order = append(order, name)
		}
		contents[name] = text
		return nil
	}
	for _, name := range names {
		if name == "-" {
			if err := add("-", in); err != nil {
				return nil, nil, err
			}
			continue
		}
		files, err := filesOf(name, recursive)
		if err != nil {
			return nil, nil, err
		}
		for _, file := range files {
			if err := addFile(file, add); err != nil {
				return nil, nil, err
			}
		}
	}
	return contents, order, nil
}

func addFile(name string, add func(string, io.Reader) error) error {
	file, err := os.Open(filepath.Clean(name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	return add(name, file)
}

// filesOf a folder are those that kubectl would read.
func filesOf(name string, recursive bool) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, err
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != name && !recursive:
			return filepath.SkipDir
		case !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// parse a file into objects. It reports what cannot be parsed.
func parse(file string, content []byte) (documents []document, found []Finding) {
	if len(content) > maxFile {
		return nil, []Finding{{File: file, Line: 1, Severity: Error, Message: fmt.Sprintf("the file is larger than %d MiB: lint policies only",
			maxFile>>20)}}
	}
	for _, part := range split(content) {
		objects, problems := parseDocument(file, part)
		documents, found = append(documents, objects...), append(found, problems...)
	}
	return documents, found
}

type part struct {
	offset int
	text   []byte
}

// split a file at the lines that separate YAML documents.
func split(content []byte) []part {
	var parts []part
	current := part{}
	number := 0
	lines := bufio.NewReader(bytes.NewReader(content))
	for {
		line, err := lines.ReadBytes('\n')
		if trimmed := bytes.TrimRight(line, " \t\r\n"); bytes.Equal(trimmed, []byte("---")) || bytes.HasPrefix(line, []byte("--- ")) {
			parts = append(parts, current)
			current = part{offset: number}
		}
		current.text = append(current.text, line...)
		number++
		if err != nil {
			return append(parts, current)
		}
	}
}

// atLine is where yaml says that something is wrong.
var atLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\s*)?line (\d+): `)

func parseDocument(file string, p part) ([]document, []Finding) {
	var root yamlv3.Node
	if err := yamlv3.Unmarshal(p.text, &root); err != nil {
		return nil, []Finding{syntaxError(file, p, err)}
	}
	if len(root.Content) == 0 || root.Content[0].Tag == "!!null" {
		return nil, nil
	}
	node := root.Content[0]
	fail := func(line int, format string, args ...any) []Finding {
		return []Finding{{File: file, Line: p.offset + max(line, 1), Severity: Error, Message: fmt.Sprintf(format, args...)}}
	}
	if node.Kind != yamlv3.MappingNode {
		return nil, fail(node.Line, "this is not an object: write fields such as apiVersion, kind and metadata")
	}
	budget := maxNodes
	var found []Finding
	if !walk(node, &budget, func(key *yamlv3.Node, first int) {
		found = append(found, fail(key.Line, "the key %q is already in line %d: remove one of them", key.Value, p.offset+first)...)
	}) {
		return nil, fail(node.Line, "the document has more than %d values, with those that aliases repeat: write it without aliases", maxNodes)
	}
	if len(found) > 0 {
		return nil, found
	}
	text, err := yaml.YAMLToJSON(p.text)
	if err != nil {
		return nil, []Finding{syntaxError(file, p, err)}
	}
	var value map[string]any
	if err := utiljson.Unmarshal(text, &value); err != nil {
		return nil, fail(node.Line, "%v", err)
	}
	return expand(document{file: file, node: node, offset: p.offset, value: value})
}

// syntaxError names the line of the file, and what to do about tabs.
func syntaxError(file string, p part, err error) Finding {
	message, line := err.Error(), 1
	if match := atLine.FindStringSubmatch(message); match != nil {
		line, _ = strconv.Atoi(match[1])
		message = message[len(match[0]):]
	}
	message = "this is not YAML: " + strings.TrimPrefix(message, "yaml: ")
	lines := bytes.Split(p.text, []byte("\n"))
	for i := max(line-2, 0); i < min(line+1, len(lines)); i++ {
		indent := lines[i][:len(lines[i])-len(bytes.TrimLeft(lines[i], " \t"))]
		if bytes.ContainsRune(indent, '\t') {
			line, message = i+1, "the line is indented with a tab: YAML takes spaces only"
			break
		}
	}
	return Finding{File: file, Line: p.offset + line, Severity: Error, Message: message}
}

// walk visits all nodes, and reports keys that a mapping has twice. It is false if there are too many.
func walk(node *yamlv3.Node, budget *int, twice func(key *yamlv3.Node, first int)) bool {
	if *budget--; *budget < 0 {
		return false
	}
	if node.Kind == yamlv3.AliasNode {
		return walk(node.Alias, budget, twice)
	}
	if node.Kind == yamlv3.MappingNode {
		lines := map[string]int{}
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i]
			if first, known := lines[key.Value]; known && key.Tag != "!!merge" {
				twice(key, first)
			}
			lines[key.Value] = key.Line
		}
	}
	for _, child := range node.Content {
		if !walk(child, budget, twice) {
			return false
		}
	}
	return true
}

var errNoItems = errors.New("items is not a list of objects")

// expand a list into its items.
func expand(d document) ([]document, []Finding) {
	kind, _ := d.value["kind"].(string)
	items, has := d.value["items"]
	if !has || !strings.HasSuffix(kind, "List") {
		return []document{d}, nil
	}
	list, is := items.([]any)
	nodes := child(d.node, "items")
	if !is || nodes == nil {
		return nil, []Finding{{File: d.file, Line: d.line("items"), Path: "items", Severity: Error, Message: errNoItems.Error()}}
	}
	var (
		all   []document
		found []Finding
	)
	for i := range list {
		value, isObject := list[i].(map[string]any)
		if !isObject {
			found = append(found, Finding{File: d.file, Line: d.offset + nodes.Content[i].Line, Severity: Error, Message: "this is not an object"})
			continue
		}
		item := document{file: d.file, node: resolve(nodes.Content[i]), offset: d.offset, value: value}
		inner, problems := expand(item)
		all, found = append(all, inner...), append(found, problems...)
	}
	return all, found
}
