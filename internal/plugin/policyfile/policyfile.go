// Package policyfile reads RebootPolicies from a file as the API server would: it fills in defaults, and checks the schema with its rules.
// It needs no cluster.
package policyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/policycheck"
	"github.com/reboot-operator/reboot-operator/internal/plugin/schema"
)

// policyKind is the kind that files have.
const policyKind = "RebootPolicy"

// Policy is a RebootPolicy of a file.
type Policy struct {
	// Object has its defaults filled in. It is nil if the policy does not pass the schema.
	Object *v1alpha1.RebootPolicy
	Name   string
	// Line of the file in which the policy begins.
	Line int
	// Problems are what the API server would refuse, and Findings what it would take and the manager cannot use.
	Problems []schema.Problem
	Findings []policycheck.Finding
}

// Err is everything that is wrong with the policy, as an error; nil if there is nothing.
func (p *Policy) Err(file string) error {
	var errs []error
	for _, problem := range p.Problems {
		errs = append(errs, errors.New(problem.String()))
	}
	for _, finding := range p.Findings {
		errs = append(errs, fmt.Errorf("spec.%s", finding))
	}
	if len(errs) == 0 {
		return nil
	}
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = "  " + err.Error()
	}
	return fmt.Errorf("%s: line %d: RebootPolicy %s is not valid:\n%s", file, p.Line, p.Name, strings.Join(texts, "\n"))
}

// Read reads all policies of a file, which may hold several documents and Lists. An error is about the file as a whole: it is not YAML, or
// has something else than RebootPolicies.
func Read(in io.Reader, file string) ([]Policy, error) {
	kinds, err := schema.Kinds()
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var found []Policy
	for _, document := range documents(content) {
		objects, err := document.objects()
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", file, document.line, err)
		}
		for _, object := range objects {
			policy, err := policyOf(kinds[policyKind], object)
			if err != nil {
				return nil, fmt.Errorf("%s: line %d: %w", file, document.line, err)
			}
			policy.Line = document.line
			found = append(found, *policy)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no RebootPolicy", file)
	}
	return found, checkNames(found, file)
}

func checkNames(found []Policy, file string) error {
	lines := map[string]int{}
	for i := range found {
		if line, twice := lines[found[i].Name]; twice {
			return fmt.Errorf("%s: line %d: RebootPolicy %s appears twice; the first one is in line %d", file, found[i].Line, found[i].Name, line)
		}
		lines[found[i].Name] = found[i].Line
	}
	return nil
}

// document is one of a YAML file.
type document struct {
	line    int
	content []byte
}

// documents splits a file. A document with only comments does not count.
func documents(content []byte) []document {
	var (
		all     []document
		current document
	)
	end := func() {
		if len(bytes.TrimSpace(current.content)) > 0 {
			all = append(all, current)
		}
		current = document{}
	}
	for i, line := range bytes.SplitAfter(content, []byte("\n")) {
		trimmed := bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("---")) && (len(trimmed) == 3 || trimmed[3] == ' ') {
			end()
			continue
		}
		if len(current.content) == 0 {
			if len(trimmed) == 0 || trimmed[0] == '#' {
				continue
			}
			current.line = i + 1
		}
		current.content = append(current.content, line...)
	}
	end()
	return all
}

// objects of a document: itself, or the items of a List.
func (d *document) objects() ([]map[string]any, error) {
	encoded, err := yaml.YAMLToJSONStrict(d.content)
	if err != nil {
		return nil, fmt.Errorf("this is not YAML: %w", err)
	}
	var object map[string]any
	if err := utiljson.Unmarshal(encoded, &object); err != nil || object == nil {
		return nil, errors.New("this is not a Kubernetes object")
	}
	items, isList := object["items"].([]any)
	kind, _ := object["kind"].(string)
	if !isList || !strings.HasSuffix(kind, "List") {
		return []map[string]any{object}, nil
	}
	var all []map[string]any
	for i, item := range items {
		object, is := item.(map[string]any)
		if !is {
			return nil, fmt.Errorf("items[%d] is not a Kubernetes object", i)
		}
		all = append(all, object)
	}
	return all, nil
}
