package policyfile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	apiservervalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/config/crd"
	"github.com/reboot-operator/reboot-operator/controllers/policycheck"
)

// schema is that of RebootPolicies, as an API server keeps it.
type schema struct {
	structural *structuralschema.Structural
	validator  apiservervalidation.SchemaValidator
	rules      *cel.Validator
}

// load reads the schema. That takes a moment, so it is done once.
var load = sync.OnceValues(func() (*schema, error) {
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(crd.RebootPolicies, &definition); err != nil {
		return nil, fmt.Errorf("read the schema of RebootPolicies: %w", err)
	}
	for i := range definition.Spec.Versions {
		if definition.Spec.Versions[i].Name == v1alpha1.GroupVersion.Version {
			return compile(definition.Spec.Versions[i].Schema.OpenAPIV3Schema)
		}
	}
	return nil, fmt.Errorf("the schema of RebootPolicies has no version %s", v1alpha1.GroupVersion.Version)
})

func compile(props *apiextensionsv1.JSONSchemaProps) (*schema, error) {
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(props, &internal, nil); err != nil {
		return nil, fmt.Errorf("convert the schema of RebootPolicies: %w", err)
	}
	structural, err := structuralschema.NewStructural(&internal)
	if err != nil {
		return nil, fmt.Errorf("compile the schema of RebootPolicies: %w", err)
	}
	validator, _, err := apiservervalidation.NewSchemaValidator(&internal)
	if err != nil {
		return nil, fmt.Errorf("compile the schema of RebootPolicies: %w", err)
	}
	return &schema{
		structural: structural, validator: validator, rules: cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// policy reads one object. The error is about an object of another kind.
func (s *schema) policy(object map[string]any) (*Policy, error) {
	head := unstructured.Unstructured{Object: object}
	want := v1alpha1.GroupVersion.WithKind("RebootPolicy")
	switch got := head.GroupVersionKind(); {
	case got.Kind == "" || head.GetAPIVersion() == "":
		return nil, fmt.Errorf("the object has no apiVersion or no kind; write apiVersion: %s and kind: %s", want.GroupVersion(), want.Kind)
	case got.GroupKind() != want.GroupKind():
		return nil, fmt.Errorf("this is a %s (%s), and not a %s (%s)", got.Kind, head.GetAPIVersion(), want.Kind, want.GroupVersion())
	case got.Version != want.Version:
		return nil, fmt.Errorf("this is a RebootPolicy of version %s; this plugin knows %s", got.Version, want.Version)
	}
	policy := &Policy{Name: head.GetName()}
	delete(object, "status") // the API server ignores it
	policy.Problems = append(nameProblems(&head), s.problems(object)...)
	if len(policy.Problems) > 0 {
		return policy, nil
	}
	encoded, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("read RebootPolicy %s: %w", policy.Name, err)
	}
	policy.Object = &v1alpha1.RebootPolicy{}
	if err := json.Unmarshal(encoded, policy.Object); err != nil {
		return nil, fmt.Errorf("read RebootPolicy %s: %w", policy.Name, err)
	}
	for _, unreadable := range policy.Object.Unreadable {
		policy.Problems = append(policy.Problems, Problem{Path: unreadable.Path, Message: unreadable.Description})
	}
	policy.Findings = policycheck.Check(policy.Object)
	return policy, nil
}

func nameProblems(object *unstructured.Unstructured) []Problem {
	if object.GetName() == "" {
		return []Problem{{"metadata.name", "write a name"}}
	}
	var problems []Problem
	for _, text := range validation.NameIsDNSSubdomain(object.GetName(), false) {
		problems = append(problems, Problem{"metadata.name", text})
	}
	if object.GetNamespace() != "" {
		problems = append(problems, Problem{"metadata.namespace", "a RebootPolicy is in no namespace; leave it out"})
	}
	return problems
}

// problems fills in defaults, and returns what the API server refuses.
func (s *schema) problems(object map[string]any) []Problem {
	var problems []Problem
	unknown := pruning.PruneWithOptions(object, s.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	slices.Sort(unknown)
	for _, path := range unknown {
		problems = append(problems, Problem{path, "there is no such field"})
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object, s.structural)
	defaulting.Default(object, s.structural)
	refused := apiservervalidation.ValidateCustomResource(nil, object, s.validator)
	if len(refused) == 0 {
		// The rules take for granted that the rest holds.
		refused, _ = s.rules.Validate(context.Background(), nil, s.structural, object, nil, celconfig.RuntimeCELCostBudget)
	}
	for _, err := range refused {
		problems = append(problems, Problem{err.Field, err.ErrorBody()})
	}
	return problems
}
