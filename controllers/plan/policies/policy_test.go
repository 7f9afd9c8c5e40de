package policies_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func newPolicy(changes ...func(*v1alpha1.RebootPolicySpec)) *v1alpha1.RebootPolicy {
	policy := &v1alpha1.RebootPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Generation: 7},
		Spec:       v1alpha1.RebootPolicySpec{Nodes: v1alpha1.NodesAll, Schedule: v1alpha1.ScheduleSpec{TimeZone: "UTC"}},
	}
	for _, change := range changes {
		change(&policy.Spec)
	}
	return policy
}

func parse(changes ...func(*v1alpha1.RebootPolicySpec)) *policies.Policy {
	moment := model.NewMoment(noon)
	return policies.Parse(newPolicy(changes...), &moment)
}

func selected(nodes *v1alpha1.LabelSelector) func(*v1alpha1.RebootPolicySpec) {
	return func(s *v1alpha1.RebootPolicySpec) { s.Nodes, s.NodeSelector = v1alpha1.NodesSelected, nodes }
}

func TestAPolicySelectsNodesOnlyIfItsSelectorIsUnderstood(t *testing.T) {
	t.Parallel()
	pool := &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"pool": "a"}}
	type selects struct{ A, B bool }
	tests := map[string]struct {
		change  func(*v1alpha1.RebootPolicySpec)
		want    selects
		invalid string
	}{
		"all":                    {change: func(*v1alpha1.RebootPolicySpec) {}, want: selects{A: true, B: true}},
		"all, whatever it says":  {change: func(s *v1alpha1.RebootPolicySpec) { s.NodeSelector = pool }, want: selects{A: true, B: true}},
		"some":                   {change: selected(pool), want: selects{A: true}},
		"an empty selector":      {change: selected(&v1alpha1.LabelSelector{}), invalid: "nodes: All"},
		"no selector":            {change: selected(nil)},
		"an unknown operator":    {change: selected(&v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelRequirement{{Key: "pool", Operator: "Like"}}}), invalid: "nodeSelector"},
		"a value that cannot be": {change: selected(&v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"pool": "a b"}}), invalid: "nodeSelector"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parse(test.change)
			requireInvalid(t, p, test.invalid)
			got := selects{p.Selector.Matches(labels.Set{"pool": "a"}), p.Selector.Matches(labels.Set{"pool": "b"})}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("it selects others (-want +got):\n%s", diff)
			}
		})
	}
}

func requireInvalid(t *testing.T, p *policies.Policy, words string) {
	t.Helper()
	if (p.Invalid == "") != (words == "") || !strings.Contains(p.Invalid, words) {
		t.Errorf("it is invalid because %q, want %q", p.Invalid, words)
	}
}

func TestAPolicyEvictsAndAwaitsPodsOnlyIfItsSelectorsAreUnderstood(t *testing.T) {
	t.Parallel()
	drained := func(text string) func(*v1alpha1.RebootPolicySpec) {
		return func(s *v1alpha1.RebootPolicySpec) { s.Drain.Selector = selector.Of(text) }
	}
	awaited := func(text string) func(*v1alpha1.RebootPolicySpec) {
		return func(s *v1alpha1.RebootPolicySpec) { s.Drain.WaitForPods.Selector = selector.Of(text) }
	}
	staged := func(texts ...string) func(*v1alpha1.RebootPolicySpec) {
		return func(s *v1alpha1.RebootPolicySpec) {
			s.Drain.Stages = selector.Stages(texts...)
		}
	}
	type pods struct{ DrainedA, DrainedB, AwaitedA, AwaitedB bool }
	tests := map[string]struct {
		change  func(*v1alpha1.RebootPolicySpec)
		want    pods
		invalid string
	}{
		"it says nothing":         {change: func(*v1alpha1.RebootPolicySpec) {}, want: pods{DrainedA: true, DrainedB: true}},
		"it evicts some":          {change: drained("app=a"), want: pods{DrainedA: true}},
		"it awaits some":          {change: awaited("app=a"), want: pods{DrainedA: true, DrainedB: true, AwaitedA: true}},
		"it evicts what?":         {change: drained("app in"), invalid: "drain.selector"},
		"it awaits what?":         {change: awaited("app in"), want: pods{DrainedA: true, DrainedB: true}, invalid: "drain.waitForPods.selector"},
		"its stages are fine":     {change: staged("app=a", "app=b"), want: pods{DrainedA: true, DrainedB: true}},
		"its second stage is not": {change: staged("app=a", "app in"), want: pods{DrainedA: true, DrainedB: true}, invalid: "drain.stages[1].selector"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parse(test.change)
			requireInvalid(t, p, test.invalid)
			a, b := labels.Set{"app": "a"}, labels.Set{"app": "b"}
			got := pods{p.Drained.Matches(a, nil), p.Drained.Matches(b, nil), p.WaitFor.Matches(a, nil), p.WaitFor.Matches(b, nil)}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("it means other pods (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOfHooksAndTriggersAPolicyHasThoseOfItsSpec(t *testing.T) {
	t.Parallel()
	hooks := v1alpha1.HooksSpec{BeforeDrain: []v1alpha1.Hook{{ConditionType: "example.com/a"}}}
	triggers := &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{{Type: "A"}, {Type: "B", Status: v1alpha1.TriggerTrue}}}
	full := parse(func(s *v1alpha1.RebootPolicySpec) { s.Hooks, s.Triggers = &hooks, triggers })
	tests := map[string]struct {
		policy  *policies.Policy
		hooks   v1alpha1.HooksSpec
		trigger *v1alpha1.NodeConditionTrigger
	}{
		"there is no policy": {},
		"it has none":        {policy: parse()},
		"it has some":        {policy: full, hooks: hooks, trigger: &triggers.NodeConditions[1]},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.hooks, test.policy.Hooks()); diff != "" {
				t.Errorf("other hooks (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.trigger, test.policy.Trigger("B")); diff != "" {
				t.Errorf("another trigger (-want +got):\n%s", diff)
			}
			if got := test.policy.Trigger("C"); got != nil {
				t.Errorf("it has a trigger for what it does not name: %v", got)
			}
		})
	}
}

func TestATriggerCallsOnceItsConditionHasHeldForLongEnough(t *testing.T) {
	t.Parallel()
	trigger := &v1alpha1.NodeConditionTrigger{Type: "Broken", Status: v1alpha1.TriggerTrue, MinSeconds: ptr.To[int32](60)}
	broken := func(status corev1.ConditionStatus, since time.Duration) model.NodeCondition {
		return model.NodeCondition{Type: "Broken", Status: status, Since: noon.Add(since)}
	}
	ready := func(since time.Duration) model.NodeCondition {
		return model.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Since: noon.Add(since)}
	}
	list := func(c ...model.NodeCondition) []model.NodeCondition { return c }
	tests := map[string]struct {
		trigger    *v1alpha1.NodeConditionTrigger
		conditions []model.NodeCondition
		want       time.Time
	}{
		"there is no trigger":           {conditions: list(broken("True", 0))},
		"there is no condition":         {trigger: trigger, conditions: list(ready(0))},
		"it has another status":         {trigger: trigger, conditions: list(broken("False", 0))},
		"it is not known":               {trigger: trigger, conditions: list(broken("Unknown", 0))},
		"from its status on":            {trigger: trigger, conditions: list(broken("True", 0)), want: noon.Add(time.Minute)},
		"from its status on, not Ready": {trigger: trigger, conditions: list(ready(-time.Hour), broken("True", 0)), want: noon.Add(time.Minute)},
		"from Ready on":                 {trigger: trigger, conditions: list(ready(time.Hour), broken("True", 0)), want: noon.Add(61 * time.Minute)},
		"at once": {
			trigger: &v1alpha1.NodeConditionTrigger{Type: "Broken", Status: v1alpha1.TriggerFalse}, conditions: list(broken("False", 0)), want: noon,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, calls := policies.Calls(&model.Node{Conditions: test.conditions}, test.trigger)
			if calls == test.want.IsZero() || !from.Equal(test.want) {
				t.Errorf("it calls: %v, from %s on, want %s", calls, from, test.want)
			}
		})
	}
}
