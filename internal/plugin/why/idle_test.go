package why

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func deleted(p v1alpha1.RebootPolicy) v1alpha1.RebootPolicy {
	p.DeletionTimestamp = &metav1.Time{Time: now}
	return p
}

// selecting is a policy that selects nodes by one expression.
func selecting(name string, operator metav1.LabelSelectorOperator, values ...v1alpha1.LabelValue) v1alpha1.RebootPolicy {
	p := policy(name, nil)
	p.Spec.NodeSelector.MatchExpressions = []v1alpha1.LabelRequirement{{Key: "pool", Operator: operator, Values: values}}
	return p
}

// unreadablePolicy is one with a field that this plugin does not understand.
func unreadablePolicy(t *testing.T) v1alpha1.RebootPolicy {
	t.Helper()
	var p v1alpha1.RebootPolicy
	if err := json.Unmarshal([]byte(`{"metadata":{"name":"odd"},"spec":{"nodes":"All","priority":"high"}}`), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWhichPolicyOwnsANodeIsSaid(t *testing.T) {
	t.Parallel()
	blue := policy("blue", map[string]v1alpha1.LabelValue{"pool": "blue"})
	values := func(pairs ...v1alpha1.LabelValue) map[string]v1alpha1.LabelValue {
		all := map[string]v1alpha1.LabelValue{}
		for i := 0; i < len(pairs); i += 2 {
			all[string(pairs[i])] = pairs[i+1]
		}
		return all
	}
	const noSelector = "There is no RebootPolicy with a selector that could select it."
	for name, test := range map[string]struct {
		policies []v1alpha1.RebootPolicy
		says     string
		types    string
		reason   string
	}{
		"one that is being deleted owns nothing": {[]v1alpha1.RebootPolicy{deleted(blue)}, "No RebootPolicy selects it, so nothing would be " +
			"done. " + noSelector,
			"kubectl get rebootpolicies", v1alpha1.ReasonNoPolicy},
		"an empty selector selects nothing": {[]v1alpha1.RebootPolicy{policy("p", nil)}, noSelector, "kubectl get rebootpolicies",
			v1alpha1.ReasonNoPolicy},
		"a selector that is wrong selects nothing": {[]v1alpha1.RebootPolicy{selecting("p", "Near", "blue")}, noSelector,
			"kubectl get rebootpolicies",
			v1alpha1.ReasonNoPolicy},
		"the nearest is the one with the fewest labels": {[]v1alpha1.RebootPolicy{policy("far", values("zone", "z1", "disk", "ssd")),
			policy("near", values("pool", "blue", "zone", "z1")), policy("later", values("zone", "z2"))},
			"The nearest is near, which requires zone=z1 (the node has no such label).", "kubectl label node worker-7 zone=z1",
			v1alpha1.ReasonNoPolicy},
		"the nearest comes before one that is farther": {[]v1alpha1.RebootPolicy{policy("near", values("zone", "z1")),
			policy("far", values("zone", "z1", "disk", "ssd"))}, "The nearest is near", "kubectl label node worker-7 zone=z1",
			v1alpha1.ReasonNoPolicy},
		"two labels are missing": {[]v1alpha1.RebootPolicy{policy("far", values("zone", "z1", "disk", "ssd"))},
			"which requires disk=ssd (the node has no such label) and zone=z1 (the node has no such label).",
			"kubectl label node worker-7 disk=ssd zone=z1", v1alpha1.ReasonNoPolicy},
		"a label is missing and another is excluded": {[]v1alpha1.RebootPolicy{func() v1alpha1.RebootPolicy {
			p := selecting("p", metav1.LabelSelectorOpNotIn, "blue")
			p.Spec.NodeSelector.MatchLabels = values("zone", "z1")
			return p
		}()}, "and zone=z1 (the node has no such label)", "kubectl edit rebootpolicy p", v1alpha1.ReasonNoPolicy},
		"one of several values is missing": {[]v1alpha1.RebootPolicy{selecting("p", metav1.LabelSelectorOpIn, "green", "red")},
			"requires pool in (green,red) (the node has pool=blue)", "kubectl edit rebootpolicy p", v1alpha1.ReasonNoPolicy},
		"the only value of a list is missing": {[]v1alpha1.RebootPolicy{selecting("p", metav1.LabelSelectorOpIn, "green")},
			"requires pool in (green) (the node has pool=blue)", "kubectl label node worker-7 pool=green", v1alpha1.ReasonNoPolicy},
		"a value is excluded": {[]v1alpha1.RebootPolicy{selecting("p", metav1.LabelSelectorOpNotIn, "blue")},
			"requires pool notin (blue) (the node has pool=blue)", "kubectl edit rebootpolicy p", v1alpha1.ReasonNoPolicy},
		"a label is excluded": {[]v1alpha1.RebootPolicy{selecting("p", metav1.LabelSelectorOpDoesNotExist)},
			"requires !pool (the node has pool=blue)", "kubectl edit rebootpolicy p", v1alpha1.ReasonNoPolicy},
		"one that cannot be read": {[]v1alpha1.RebootPolicy{unreadablePolicy(t)}, "RebootPolicy odd, which cannot be read: ",
			"kubectl edit rebootpolicy odd", ReasonNoNeed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := world()
			f.Policies = test.policies
			requireAnswer(t, Explain(f, "worker-7"), test.reason, []string{test.says}, test.types)
			if got := strings.Join(Explain(f, "worker-7").Type, "\n"); got != test.types && test.reason == v1alpha1.ReasonNoPolicy {
				t.Errorf("it has one type %q, want %q", got, test.types)
			}
		})
	}
}

func TestWhatIsWrongWithThePolicyOfANodeIsSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		condition   metav1.Condition
		says, never string
	}{
		"it is not in force": {conditionOf(v1alpha1.ConditionReady, v1alpha1.ReasonPolicyInvalid, metav1.ConditionFalse),
			"The condition Ready is so.", ""},
		"it is in force":       {conditionOf(v1alpha1.ConditionReady, v1alpha1.ReasonInForce, metav1.ConditionTrue), "", "The condition"},
		"it is not reconciled": {conditionOf(v1alpha1.ConditionReconciling, v1alpha1.ReasonInForce, metav1.ConditionFalse), "", "The condition"},
	} {
		f := world()
		f.Policies[0].Status.Conditions = []metav1.Condition{test.condition}
		answer := Explain(f, "worker-7")
		want := said{reason: ReasonNoNeed, says: []string{test.says}, never: []string{"why rebootpolicy/blue"}}
		if test.never == "" {
			want.never = nil
			requireAnswer(t, answer, ReasonNoNeed, nil, "kubectl reboots why rebootpolicy/blue")
		} else {
			want.never = append(want.never, test.never)
		}
		t.Log(name)
		requireSaid(t, &answer, want)
	}
}

func TestAnIdleNodeIsExplainedByWhatMattersMost(t *testing.T) {
	t.Parallel()
	proved := finished(v1alpha1.OutcomeSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved)
	for name, test := range map[string]struct {
		change func(*Facts)
		want   said
	}{
		"it was rebooted, and is skipped now": {func(f *Facts) {
			f.Reboots, f.Nodes[0].Labels[v1alpha1.SkipLabel] = []v1alpha1.NodeReboot{proved}, ""
		}, said{reason: v1alpha1.ReasonProved, says: []string{"label reboot-operator.io/skip"}}},
		"it was rebooted, and has no policy now": {func(f *Facts) { f.Reboots, f.Policies = []v1alpha1.NodeReboot{proved}, nil },
			said{reason: v1alpha1.ReasonProved, says: []string{"No RebootPolicy selects it"}}},
		"it is skipped, and has no helper": {func(f *Facts) {
			f.Installed.HelperPods, f.Nodes[0].Labels[v1alpha1.SkipLabel] = nil, ""
		}, said{reason: v1alpha1.ReasonSkipped, says: []string{"No helper runs there"}}},
		"it is skipped, and its helper is not Ready": {func(f *Facts) {
			f.Installed.HelperPods[0], f.Nodes[0].Labels[v1alpha1.SkipLabel] = helperPod("worker-7", false), ""
		}, said{reason: v1alpha1.ReasonSkipped, object: "Pod reboot-operator-system/helper-worker-7"}},
		"it was given up for a reason that nobody retries": {func(f *Facts) {
			f.Reboots = []v1alpha1.NodeReboot{finished(v1alpha1.OutcomeFailed, v1alpha1.PhaseFailed, v1alpha1.ReasonOrderExpired)}
			f.Installed = nil
		}, said{reason: v1alpha1.ReasonOrderExpired, types: []string{"kubectl reboots retry worker-7"}}},
		"what runs is not known": {func(f *Facts) { f.Installed = nil }, said{reason: ReasonNoNeed, never: []string{"helper", "manager"}}},
		"nothing was ever seen":  {func(*Facts) {}, said{reason: ReasonNoNeed, says: []string{"has seen no sentinel: it looks at"}}},
		"it is not known what the helper looks at": {func(f *Facts) { f.Installed.HelperSets[0].Spec.Template.Spec.Containers = nil },
			said{reason: ReasonNoNeed, says: []string{"has seen no sentinel."}}},
		"conditions ask for reboots, too": {func(f *Facts) {
			f.Policies[0].Spec.Triggers = &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{
				{Type: "KernelDeadlock", Status: "True"}, {Type: "Healthy", Status: "False"},
			}}
		}, said{reason: ReasonNoNeed, says: []string{"; its policy also reboots it for the node conditions KernelDeadlock=True, " +
			"Healthy=False."}}},
		"no condition asks for a reboot": {func(f *Facts) { f.Policies[0].Spec.Triggers = &v1alpha1.TriggersSpec{} },
			said{reason: ReasonNoNeed, never: []string{"node conditions"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := world()
			test.change(f)
			answer := Explain(f, "worker-7")
			requireSaid(t, &answer, test.want)
		})
	}
}

func TestARebootPolicyIsExplained(t *testing.T) {
	t.Parallel()
	ready := conditionOf(v1alpha1.ConditionReady, v1alpha1.ReasonInForce, metav1.ConditionTrue)
	quiet := ready
	quiet.Message = ""
	for name, test := range map[string]struct {
		change func(*v1alpha1.RebootPolicy)
		want   said
	}{
		"it cannot be read": {func(p *v1alpha1.RebootPolicy) {
			*p = unreadablePolicy(t)
			p.Name = "blue"
		}, said{reason: v1alpha1.ReasonUnreadable, says: []string{"RebootPolicy blue cannot be read: ", "Repair the field that is named."},
			types: []string{"kubectl edit rebootpolicy blue"}}},
		"nobody has seen it": {func(*v1alpha1.RebootPolicy) {}, said{reason: ReasonNotLookedAt,
			says:  []string{"The manager has not seen RebootPolicy blue yet."},
			types: []string{"kubectl -n reboot-operator-system logs -l app.kubernetes.io/component=manager --tail=50"}}},
		"it is in force": {func(p *v1alpha1.RebootPolicy) { p.Status.Conditions = []metav1.Condition{quiet} },
			said{reason: v1alpha1.ReasonInForce, says: []string{"0 under way (InForce). No action is needed."}}},
		"something else is so": {func(p *v1alpha1.RebootPolicy) {
			p.Status.Conditions = []metav1.Condition{ready, conditionOf("Shadowed", v1alpha1.ReasonShadowed, metav1.ConditionTrue)}
		}, said{reason: v1alpha1.ReasonInForce, says: []string{"The condition Shadowed is so. Raise priority"}, never: []string{"No action"}}},
		"something else is not so": {func(p *v1alpha1.RebootPolicy) {
			p.Status.Conditions = []metav1.Condition{ready, conditionOf("Shadowed", v1alpha1.ReasonShadowed, metav1.ConditionFalse)}
		}, said{reason: v1alpha1.ReasonInForce, never: []string{"Shadowed"}}},
		"something unknown is so": {func(p *v1alpha1.RebootPolicy) {
			p.Status.Conditions = []metav1.Condition{ready, conditionOf("Odd", "FromTheFuture", metav1.ConditionTrue)}
		}, said{reason: v1alpha1.ReasonInForce, never: []string{"Odd"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := world()
			test.change(&f.Policies[0])
			answer := Explain(f, "rebootpolicy/blue")
			requireSaid(t, &answer, test.want)
		})
	}
}

func TestWhatDoesNotExistIsAnsweredWithTheNearestNames(t *testing.T) {
	t.Parallel()
	for asked, test := range map[string]struct{ says, types string }{
		"rebootpolicy/blu":      {"There is no RebootPolicy blu. Did you mean blue?", "kubectl reboots why rebootpolicy/blue"},
		"rebootpolicy/nothing":  {"There is no RebootPolicy nothing.", "kubectl get rebootpolicies"},
		"nodereboot/worker-7-4": {"There is no NodeReboot worker-7-4. Did you mean worker-7-3?", "kubectl reboots why nodereboot/worker-7-3"},
		"node/worker-7-3":       {"There is no Node worker-7-3. Did you mean worker-7?", "kubectl reboots why worker-7"},
		"worker-99":             {"There is no Node worker-99. Did you mean worker-7 or worker-80?", "kubectl reboots why worker-7"},
		"worker-71":             {"There is no Node worker-71. Did you mean worker-7 or worker-80?", "kubectl reboots why worker-7"},
		"worker-81":             {"There is no Node worker-81. Did you mean worker-80 or worker-7?", "kubectl reboots why worker-80"},
		"worker-xyz":            {"There is no Node worker-xyz.", "kubectl get nodes"},
		"xyzworker-7":           {"There is no Node xyzworker-7.", "kubectl get nodes"},
		"worker-7xyz":           {"There is no Node worker-7xyz.", "kubectl get nodes"},
		"wor":                   {"There is no Node wor.", "kubectl get nodes"},
		"":                      {"There is no Node .", "kubectl get nodes"},
	} {
		f := world()
		f.Nodes = append([]corev1.Node{node("worker-80", nil)}, f.Nodes...)
		f.Reboots = []v1alpha1.NodeReboot{finished(v1alpha1.OutcomeSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved)}
		f.Installed.Lease = nil
		answer := Explain(f, asked)
		if answer.Asked != asked || answer.Found || answer.Explanation != test.says || strings.Join(answer.Type, "\n") != test.types {
			t.Errorf("%q is answered by %+v, want %q and %q", asked, answer, test.says, test.types)
		}
	}
}

func TestANodeRebootOfANodeThatIsGoneIsExplained(t *testing.T) {
	t.Parallel()
	f := world()
	f.Nodes, f.Reboots = nil, []v1alpha1.NodeReboot{finished(v1alpha1.OutcomeSucceeded, v1alpha1.PhaseSucceeded, v1alpha1.ReasonProved)}
	if got := Explain(f, "worker-7"); !got.Found || got.NodeReboot != "worker-7-3" {
		t.Errorf("it is answered by %+v", got)
	}
}
