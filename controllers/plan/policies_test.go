package plan

import (
	"maps"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestNodeBelongsToOnePolicy(t *testing.T) {
	cases := map[string]struct {
		policies []any
		want     string
	}{
		"the one of the highest priority": {
			policies: []any{newPolicy("a"), newPolicy("b", priority(2)), newPolicy("c", priority(1))}, want: "b",
		},
		"a negative priority is lower than none": {policies: []any{newPolicy("a", priority(-1)), newPolicy("b")}, want: "b"},
		"of those the oldest":                    {policies: []any{newPolicy("a"), newPolicy("b", created(start.Add(-48*time.Hour)))}, want: "b"},
		"of those the first by name":             {policies: []any{newPolicy("b"), newPolicy("a")}, want: "a"},
		"only one that selects it": {
			policies: []any{newPolicy("a"), newPolicy("b", priority(2), selecting("pool", "blue"))}, want: "a",
		},
		"one that selects it by an expression": {
			policies: []any{newPolicy("a"), newPolicy("b", priority(2), spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Nodes = v1alpha1.NodesSelected
				s.NodeSelector = &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelRequirement{
					{Key: "kubernetes.io/hostname", Operator: metav1.LabelSelectorOpIn, Values: []v1alpha1.LabelValue{"n"}},
				}}
			}))}, want: "b",
		},
		"a policy that is paused still owns it": {policies: []any{newPolicy("a"), newPolicy("b", priority(1), mode(v1alpha1.ModePaused))}, want: "b"},
		"a policy that is being deleted does not": {
			policies: []any{newPolicy("a"), newPolicy("b", priority(1), func(p *v1alpha1.RebootPolicy) {
				p.DeletionTimestamp = ptr.To(metav1.NewTime(start))
			})}, want: "a",
		},
		"an empty selector selects nothing": {
			policies: []any{newPolicy("a"), newPolicy("b", priority(1), spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Nodes, s.NodeSelector = v1alpha1.NodesSelected, &v1alpha1.LabelSelector{}
			}))}, want: "a",
		},
		"a missing selector selects nothing": {
			policies: []any{newPolicy("b", spec(func(s *v1alpha1.RebootPolicySpec) { s.Nodes = v1alpha1.NodesSelected }))}, want: "",
		},
		"an invalid selector selects nothing": {
			policies: []any{newPolicy("b", spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Nodes = v1alpha1.NodesSelected
				s.NodeSelector = &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelRequirement{{Key: "x", Operator: "Near"}}}
			}))}, want: "",
		},
		"no policy at all": {want: ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(tc.policies, newNode("n", "z1"), newReboot("r", "n"))...)
			s.settle()
			if got := s.reboot("r").Status.PolicyName; got != tc.want {
				t.Errorf("policy %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMaxUnavailableIsRoundedDown(t *testing.T) {
	cases := map[string]struct {
		limit     string
		nodes     int
		want      int32
		wantReady metav1.ConditionStatus
	}{
		"a number":                     {limit: "3", nodes: 10, want: 3, wantReady: metav1.ConditionTrue},
		"a percentage":                 {limit: "20%", nodes: 10, want: 2, wantReady: metav1.ConditionTrue},
		"a percentage of an odd count": {limit: "34%", nodes: 11, want: 3, wantReady: metav1.ConditionTrue},
		"less than one node is none":   {limit: "10%", nodes: 9, want: 0, wantReady: metav1.ConditionTrue},
		"all":                          {limit: "100%", nodes: 7, want: 7, wantReady: metav1.ConditionTrue},
		"zero":                         {limit: "0", nodes: 7, want: 0, wantReady: metav1.ConditionTrue},
		"what is not a number":         {limit: "some", nodes: 7, want: 0, wantReady: metav1.ConditionFalse},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p", maxUnavailable(tc.limit)))
			for i := range tc.nodes {
				s.Nodes = append(s.Nodes, newNode(string(rune('a'+i)), "z1"))
				s.Reboots = append(s.Reboots, newReboot(string(rune('a'+i)), string(rune('a'+i))))
				s.Pods[string(rune('a'+i))] = nil
			}
			s.settle()
			status := s.policy("p").Status
			if status.MaxUnavailable != tc.want || status.UnderWay != tc.want {
				t.Errorf("the limit is %d and %d are under way, want %d", status.MaxUnavailable, status.UnderWay, tc.want)
			}
			if got := status.Conditions[0].Status; got != tc.wantReady {
				t.Errorf("Ready is %s, want %s", got, tc.wantReady)
			}
		})
	}
}

func TestPolicyWithoutALimitStartsNothing(t *testing.T) {
	s := newStory(t, newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MaxUnavailable = nil })),
		newNode("a", "z1"), newReboot("ra", "a"))
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonBudgetExhausted {
		t.Errorf("reason %s", got)
	}
}

// The tests should be about policies as the API server stores them.
func TestPolicyBuilderHasTheDefaultsOfTheSchema(t *testing.T) {
	data, err := os.ReadFile("../../config/crd/bases/reboot-operator.io_rebootpolicies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type schema struct {
		Default    any
		Properties map[string]any
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema schema }
			}
		}
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	defaulted, _ := defaults(crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].(map[string]any)).(map[string]any)
	encoded, err := yaml.Marshal(defaulted)
	if err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.RebootPolicySpec{}
	if err := yaml.Unmarshal(encoded, &want); err != nil {
		t.Fatal(err)
	}
	want.Nodes = v1alpha1.NodesAll
	if diff := cmp.Diff(want, newPolicy("p").Spec, cmp.AllowUnexported(intstr.IntOrString{})); diff != "" {
		t.Errorf("spec (-schema +builder):\n%s", diff)
	}
}

// defaults are those of a schema, in all the objects that have a default themselves; nil if there are none.
func defaults(schema map[string]any) any {
	value := schema["default"]
	object, isObject := value.(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	if len(properties) == 0 || value != nil && !isObject {
		return value
	}
	filled := maps.Clone(object)
	if filled == nil {
		filled = map[string]any{}
	}
	for name, property := range properties {
		property, _ := property.(map[string]any)
		if property["default"] == nil {
			continue
		}
		filled[name] = defaults(property)
	}
	return filled
}
