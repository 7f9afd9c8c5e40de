// Package schema checks objects of the project's kinds as an API server does, without one: unknown fields, defaults, the schema and its
// rules.
package schema

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/reboot-operator/reboot-operator/config/crd"
)

// Kind checks objects of one kind.
type Kind struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

// Kinds are all of the project, by name. To compile their rules takes a second, once.
var Kinds = sync.OnceValues(load)

func load() (map[string]*Kind, error) {
	definitions, err := crd.Definitions()
	if err != nil {
		return nil, err
	}
	all := make(map[string]*Kind, len(definitions))
	for _, definition := range definitions {
		if all[definition.Spec.Names.Kind], err = newKind(definition); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func newKind(definition *apiextensionsv1.CustomResourceDefinition) (*Kind, error) {
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		definition.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil); err != nil {
		return nil, fmt.Errorf("convert the schema of %s: %w", definition.Name, err)
	}
	structural, err := structuralschema.NewStructural(&internal)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s: %w", definition.Name, err)
	}
	validator, _, err := validation.NewSchemaValidator(&internal)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s: %w", definition.Name, err)
	}
	return &Kind{structural, validator, cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
}

// Problem is something that the API server refuses.
type Problem struct {
	// Path of the field, such as spec.drain.timeoutSeconds.
	Path    string
	Message string
}

func (p Problem) String() string { return strings.TrimPrefix(p.Path+": "+p.Message, ": ") }

// Check an object, and fill in the defaults. Without a problem the object is as the API server would store it.
func (s *Kind) Check(ctx context.Context, object map[string]any) []Problem {
	delete(object, "status") // the API server ignores it
	problems := s.checkUnknown(object)
	problems = append(problems, checkName(object)...)
	defaulting.PruneNonNullableNullsWithoutDefaults(object, s.structural)
	defaulting.Default(object, s.structural)
	errs := validation.ValidateCustomResource(nil, object, s.validator)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, object)...)
	if len(errs) == 0 && s.rules != nil {
		errs, _ = s.rules.Validate(ctx, nil, s.structural, object, nil, celconfig.RuntimeCELCostBudget)
	}
	for _, err := range withoutRepetition(errs) {
		path := strings.TrimPrefix(strings.TrimPrefix(err.Field, "<nil>"), ".")
		if !strings.HasPrefix(path, "status") {
			problems = append(problems, Problem{path, describe(err)})
		}
	}
	return problems
}

// withoutRepetition leaves out what follows from a value that has the wrong type.
func withoutRepetition(errs field.ErrorList) field.ErrorList {
	mistyped := map[string]bool{}
	for _, err := range errs {
		if err.Type == field.ErrorTypeTypeInvalid {
			mistyped[err.Field] = true
		}
	}
	return slices.DeleteFunc(errs, func(err *field.Error) bool { return err.Type != field.ErrorTypeTypeInvalid && mistyped[err.Field] })
}

// wantedType is how the API server says which type a value has to have.
var wantedType = regexp.MustCompile(`must be of type (\w+): "(\w+)"`)

// describe an error of the API server in the words of this command.
func describe(err *field.Error) string {
	switch err.Type {
	case field.ErrorTypeTypeInvalid:
		if match := wantedType.FindStringSubmatch(err.Detail); match != nil {
			return fmt.Sprintf("this is a value of type %s: write one of type %s", match[2], match[1])
		}
	case field.ErrorTypeRequired:
		return strings.TrimSuffix("it is missing: write it: "+err.Detail, ": ")
	case field.ErrorTypeNotSupported:
		return fmt.Sprintf("%v is unknown: write one of the %s", quoted(err.BadValue), err.Detail)
	case field.ErrorTypeInvalid:
		detail := err.Detail
		if rest, is := strings.CutPrefix(detail, err.Field); is {
			detail = strings.TrimPrefix(rest, " ")
		}
		return strings.Replace(strings.TrimPrefix(detail, "in body "), " evaluating rule: ", ": ", 1)
	}
	return err.ErrorBody()
}

func quoted(value any) string {
	if text, is := value.(string); is {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprint(value)
}

// checkUnknown finds fields that the schema does not have, and removes them.
func (s *Kind) checkUnknown(object map[string]any) []Problem {
	unknown := pruning.PruneWithOptions(object, s.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	problems := make([]Problem, 0, len(unknown))
	for _, path := range unknown {
		message := "there is no such field: remove it"
		if near := s.nearField(path); near != "" {
			message = "there is no such field: did you mean " + near + "?"
		}
		problems = append(problems, Problem{path, message})
	}
	return problems
}

// nearField is a field whose name resembles the last name of a path; empty if there is none.
func (s *Kind) nearField(path string) string {
	at := s.structural
	all := Steps(path)
	for _, step := range all[:len(all)-1] {
		switch {
		case at == nil:
			return ""
		case at.Items != nil:
			at = at.Items
		case at.AdditionalProperties != nil:
			at = at.AdditionalProperties.Structural
		default:
			next := at.Properties[step]
			at = &next
		}
	}
	if at == nil {
		return ""
	}
	wrong := strings.ToLower(all[len(all)-1])
	var near []string
	for name := range at.Properties {
		if lower := strings.ToLower(name); lower == wrong || strings.Contains(lower, wrong) || strings.Contains(wrong, lower) || oneOff(lower,
			wrong) {
			near = append(near, name)
		}
	}
	slices.Sort(near)
	return strings.Join(near, " or ")
}

// oneOff: the words differ by one letter, or by two that changed places.
func oneOff(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	head := 0
	for head < len(a) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	restA, restB := a[head:len(a)-tail], b[head:len(b)-tail]
	return len(restB) <= 1 || len(restA) == 2 && len(restB) == 2 && restA[0] == restB[1] && restA[1] == restB[0]
}

func checkName(object map[string]any) []Problem {
	metadata, _ := object["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	if _, generated := metadata["generateName"]; generated && name == "" {
		return nil
	}
	if namespace, _ := metadata["namespace"].(string); namespace != "" {
		return []Problem{{"metadata.namespace", "objects of this kind have no namespace: remove it"}}
	}
	if name == "" {
		return []Problem{{"metadata.name", "it is missing: write a name"}}
	}
	if wrong := utilvalidation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		return []Problem{{"metadata.name", fmt.Sprintf("%q is not a valid name: write lowercase letters, digits, - and ., the first and the "+
			"last of them a letter or a digit", name)}}
	}
	return nil
}

// Steps of a path: names of fields, and what is in brackets.
func Steps(path string) []string {
	var all []string
	current, depth := strings.Builder{}, 0
	end := func() {
		if current.Len() > 0 {
			all = append(all, current.String())
			current.Reset()
		}
	}
	for _, r := range path {
		switch {
		case r == '.' && depth == 0:
			end()
		case r == '[':
			if depth == 0 {
				end()
			} else {
				current.WriteRune(r)
			}
			depth++
		case r == ']' && depth > 0:
			if depth--; depth == 0 {
				end()
			} else {
				current.WriteRune(r)
			}
		default:
			current.WriteRune(r)
		}
	}
	end()
	return all
}
