package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// kind is what a page is about.
type kind struct {
	name, apiVersion, scope, singular string
	shortNames, categories            []string
	selectable                        []string
	description                       string
	fields                            []*field
}

// field is one of a kind's.
type field struct {
	path, name  string
	description string
	schema      *apiextensionsv1.JSONSchemaProps
	required    bool
	// values are those that it may have; open says that programs may write others.
	values []value
	open   bool
	// rules are what the API server answers where it refuses the field.
	rules []string
	// immutable says that it cannot be changed.
	immutable bool
	// removed is what is answered to a field of an earlier version.
	removed  string
	children []*field
}

// readKind reads the version of a CRD that is stored.
func readKind(crd *apiextensionsv1.CustomResourceDefinition, types *goTypes) (*kind, error) {
	for _, version := range crd.Spec.Versions {
		if !version.Storage || version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
			continue
		}
		schema := version.Schema.OpenAPIV3Schema
		k := &kind{
			name: crd.Spec.Names.Kind, apiVersion: crd.Spec.Group + "/" + version.Name, scope: string(crd.Spec.Scope),
			singular: crd.Spec.Names.Singular, shortNames: crd.Spec.Names.ShortNames, categories: crd.Spec.Names.Categories,
			description: schema.Description,
		}
		for _, one := range version.SelectableFields {
			k.selectable = append(k.selectable, strings.TrimPrefix(one.JSONPath, "."))
		}
		root := &field{schema: schema}
		walk := walker{types: types, order: []string{"spec", "status"}}
		walk.children(root, schema, k.name)
		// Of the three fields that every object has there is nothing to say here.
		for _, child := range root.children {
			if child.name == "spec" || child.name == "status" {
				k.fields = append(k.fields, child)
			}
		}
		if len(k.fields) == 0 {
			return nil, fmt.Errorf("%s has no spec and no status", k.name)
		}
		if err := k.check(); err != nil {
			return nil, err
		}
		return k, nil
	}
	return nil, fmt.Errorf("no version of %s is stored", crd.Name)
}

// all are the fields below these, in the order of the page.
func all(fields []*field) []*field {
	var found []*field
	for _, one := range fields {
		found = append(found, one)
		found = append(found, all(one.children)...)
	}
	return found
}

// anchor is what links call the field, by the rules of GitHub for headings.
func anchor(path string) string {
	return strings.ToLower(regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(path, ""))
}

// check finds fields that a reader could not link to, or would know nothing about.
func (k *kind) check() error {
	paths := map[string]string{}
	for _, one := range all(k.fields) {
		if one.removed != "" {
			continue // It has no heading.
		}
		if other, ok := paths[anchor(one.path)]; ok {
			return fmt.Errorf("%s and %s have the same anchor", one.path, other)
		}
		paths[anchor(one.path)] = one.path
		if one.description == "" {
			return fmt.Errorf("%s has no comment", one.path)
		}
	}
	return nil
}

// walker goes through a schema and the Go types at the same time.
type walker struct {
	types *goTypes
	order []string
}

// children adds the fields of an object.
func (w walker) children(parent *field, schema *apiextensionsv1.JSONSchemaProps, goType string) {
	for _, name := range w.names(schema, goType) {
		property := schema.Properties[name]
		path := name
		if parent.path != "" {
			path = parent.path + "." + name
		}
		one := &field{path: path, name: name, description: property.Description, schema: &property}
		for _, required := range schema.Required {
			one.required = one.required || required == name
		}
		w.fill(one, w.types.field(goType, name))
		parent.children = append(parent.children, one)
	}
	for _, rule := range schema.XValidations {
		attach(parent, rule)
	}
}

// names are the properties of an object in the order of the Go type, and those that it does not have by name.
func (w walker) names(schema *apiextensionsv1.JSONSchemaProps, goType string) []string {
	var names, rest []string
	seen := map[string]bool{}
	for _, name := range append(w.types.fieldNames(goType), w.order...) {
		if _, ok := schema.Properties[name]; ok && !seen[name] {
			names, seen[name] = append(names, name), true
		}
	}
	for name := range schema.Properties {
		if !seen[name] {
			rest = append(rest, name)
		}
	}
	return append(names, sorted(rest)...)
}

// fill adds what a field's schema says, that of a list's items included.
func (w walker) fill(one *field, goType string) {
	inner := one.schema
	for {
		for _, rule := range inner.XValidations {
			if len(inner.Properties) == 0 || rule.Rule == "false" {
				attach(one, rule)
			}
		}
		switch {
		case inner.Items != nil && inner.Items.Schema != nil:
			one.path += "[]"
			inner = inner.Items.Schema
			continue
		case inner.AdditionalProperties != nil && inner.AdditionalProperties.Schema != nil:
			inner = inner.AdditionalProperties.Schema
			continue
		}
		break
	}
	if one.removed != "" {
		return
	}
	w.fillValues(one, inner, goType)
	if len(inner.Properties) > 0 {
		w.children(one, inner, goType)
	}
}

var listed = regexp.MustCompile(`^self in \[([^]]*)\]$`)

// fillValues adds the values that an enum, or a rule that names them, allows.
func (w walker) fillValues(one *field, schema *apiextensionsv1.JSONSchemaProps, goType string) {
	known := w.types.enums[goType]
	meaning := map[string]string{}
	for _, value := range known {
		meaning[value.name] = value.meaning
	}
	var names []string
	for _, allowed := range schema.Enum {
		names = append(names, strings.Trim(string(allowed.Raw), `"`))
	}
	for _, rule := range schema.XValidations {
		if found := listed.FindStringSubmatch(rule.Rule); found != nil && len(names) == 0 {
			for _, name := range strings.Split(found[1], ",") {
				names = append(names, strings.Trim(strings.TrimSpace(name), "'"))
			}
		}
	}
	if len(names) == 0 {
		one.values, one.open = known, len(known) > 0
		return
	}
	// Go says them in an order that means something, the schema by name.
	for _, value := range known {
		if slices.Contains(names, value.name) {
			one.values = append(one.values, value)
		}
	}
	for _, name := range names {
		if _, ok := meaning[name]; !ok {
			one.values = append(one.values, value{name, ""})
		}
	}
}

// attach adds a rule to the field that it is about.
func attach(one *field, rule apiextensionsv1.ValidationRule) {
	if path := strings.Trim(rule.FieldPath, "."); path != "" {
		for _, step := range strings.Split(path, ".") {
			for _, child := range one.children {
				if child.name == step {
					one = child
					break
				}
			}
		}
	}
	message := rule.Message
	if message == "" {
		message = rule.MessageExpression
	}
	switch {
	case rule.Rule == "false":
		one.removed = message
		return
	case strings.Contains(rule.Rule, "oldSelf"):
		one.immutable = true
	}
	one.rules = append(one.rules, message)
}
