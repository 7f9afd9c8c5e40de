package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/decode"
	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// unreadableAt is what the decoder says about a part that it cannot read.
func unreadableAt(path string) []decode.Problem {
	return []decode.Problem{{Path: path, Description: `"2026-01-01t00:00:00z" is not a time that can be read`}}
}

// attemptUnreadable: an attempt of which one time cannot be read.
func attemptUnreadable(r *v1alpha1.NodeReboot) {
	r.Status.Phase, r.Status.Attempt = v1alpha1.PhaseDraining, &v1alpha1.Attempt{Number: 1, PolicyName: "p", Zone: "z1"}
	r.Unreadable = unreadableAt("status.attempt.grantedTime")
}

func unreadable(path string) rebootOption {
	return func(r *v1alpha1.NodeReboot) { r.Unreadable = unreadableAt(path) }
}

func finalized(r *v1alpha1.NodeReboot) { r.Finalizers = []string{v1alpha1.Finalizer} }

func TestANodeRebootThatCannotBeReadHoldsWhatItMayHaveTaken(t *testing.T) {
	t.Parallel()
	done := func(r *v1alpha1.NodeReboot) { r.Status.CompletionTime = &metav1.MicroTime{} }
	ended := func(r *v1alpha1.NodeReboot) { r.Status.Attempt.EndedTime = &metav1.MicroTime{} }
	unset := func(r *v1alpha1.NodeReboot) { r.Spec.NodeName = "" }
	stalled := func(r *v1alpha1.NodeReboot) {
		r.Status.Attempt.StalledTime, r.Status.Attempt.Result = &metav1.MicroTime{}, v1alpha1.ReasonNodeNotBack
	}
	cases := map[string]struct {
		policy *v1alpha1.RebootPolicy
		bad    *v1alpha1.NodeReboot
		nodes  []*Node
		slots  map[string]Slot
		// want is why node b waits; empty if it is drained.
		want string
	}{
		"with an attempt it takes the place in the budget": {bad: newReboot("ra", "a", attemptUnreadable), want: v1alpha1.ReasonBudgetExhausted},
		"with an attempt it leaves what else there is": {
			policy: newPolicy("p", maxUnavailable("2"), anyOrder()), bad: newReboot("ra", "a", attemptUnreadable),
		},
		"with an attempt it has the turn of its zone": {
			policy: newPolicy("p", maxUnavailable("2")), bad: newReboot("ra", "a", attemptUnreadable), want: v1alpha1.ReasonZoneBusy,
		},
		"of unknown zone it has the turn of the zone of its node": {
			policy: newPolicy("p", maxUnavailable("2")), bad: newReboot("ra", "a", unreadable("status")), want: v1alpha1.ReasonZoneBusy,
		},
		"with an attempt it keeps the quorum": {
			policy: newPolicy("p", maxUnavailable("2"), anyOrder()), bad: newReboot("ra", "a", attemptUnreadable),
			nodes: []*Node{newNode("a", "z1", controlPlane), newNode("b", "z2", controlPlane)}, want: v1alpha1.ReasonControlPlaneNotReady,
		},
		"of a node that is gone it takes the place": {
			policy: newPolicy("p", maxUnavailable("1"), anyOrder()), bad: newReboot("ra", "a", attemptUnreadable),
			nodes: []*Node{newNode("b", "z2")}, want: v1alpha1.ReasonBudgetExhausted,
		},
		"of a node that nobody knows it takes the place": {
			policy: newPolicy("p", maxUnavailable("1"), anyOrder()), bad: newReboot("ra", "a", attemptUnreadable, unset),
			want: v1alpha1.ReasonBudgetExhausted,
		},
		"that did not come back it halts": {
			policy: newPolicy("p", maxUnavailable("2"), anyOrder()), bad: newReboot("ra", "a", attemptUnreadable, stalled),
			want: v1alpha1.ReasonHalted,
		},
		"of which the whole status is unknown it takes the place": {
			bad: newReboot("ra", "a", unreadable("status")), want: v1alpha1.ReasonBudgetExhausted,
		},
		"of which nothing is known it takes the place": {bad: newReboot("ra", "a", unreadable("")), want: v1alpha1.ReasonBudgetExhausted},
		"with a grant it takes the place": {
			bad: newReboot("ra", "a", unreadable("status.requiredSince")), slots: map[string]Slot{"a": slotOf(1)},
			want: v1alpha1.ReasonBudgetExhausted,
		},
		"that waited takes no place":                  {bad: newReboot("ra", "a", unreadable("status.requiredSince"))},
		"that is complete takes no place":             {bad: newReboot("ra", "a", attemptUnreadable, done)},
		"of which the attempt ended takes no place":   {bad: newReboot("ra", "a", attemptUnreadable, ended)},
		"and no more than a condition, takes no turn": {bad: newReboot("ra", "a", skippedReboot, unreadable("status.conditions[example.com/x]"))},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			policy, nodes := tc.policy, tc.nodes
			if policy == nil {
				policy = newPolicy("p", anyOrder())
			}
			if nodes == nil {
				nodes = []*Node{newNode("a", "z1"), newNode("b", "z2")}
			}
			s := newStory(t, policy, tc.bad, newReboot("rb", "b"))
			for _, n := range nodes {
				s.Nodes, s.Pods[n.Name] = append(s.Nodes, n), nil
			}
			for name, slot := range tc.slots {
				s.Slots[name] = slot
			}
			s.settle()
			got := s.reboot("rb").Status
			if tc.want == "" && got.Phase != v1alpha1.PhaseDraining || tc.want != "" && got.Reason != tc.want {
				t.Errorf("NodeReboot rb is %s: %s: %s", got.Phase, got.Reason, got.Message)
			}
			if !hasOurTaint(s.node("b")) {
				t.Error("node b is not tainted")
			}
		})
	}
}

// skippedReboot was cancelled.
func skippedReboot(r *v1alpha1.NodeReboot) {
	finished(v1alpha1.OutcomeCancelled, v1alpha1.ReasonNeedWithdrawn, -time.Hour)(r)
}

func TestANodeWithANodeRebootThatCannotBeReadIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	marks := `{"for":"uid-of-ra","labels":{"during":{"set":"yes"}}}`
	marked := func(n *Node) {
		n.Unschedulable, n.CordonedFor = true, "uid-of-ra"
		n.Labels["during"], n.Annotations = "yes", map[string]string{v1alpha1.MarksAnnotation: marks}
		n.Maintenance = map[corev1.NodeConditionType]bool{MaintenancePlanned: true, DrainInProgress: true}
		tainted(corev1.Taint{Key: v1alpha1.TaintKey, Effect: corev1.TaintEffectPreferNoSchedule})(n)
	}
	s := newStory(t, newPolicy("p"), newNode("a", "z1", marked), newReboot("ra", "a", attemptUnreadable, finalized), newReboot("rc", "a"))
	before := *s.node("a")
	s.settle()
	if diff := difference(before, *s.node("a")); diff != "" {
		t.Errorf("node a changed:\n%s", diff)
	}
	bad, other := s.reboot("ra").Status, s.reboot("rc").Status
	ready := meta.FindStatusCondition(bad.Conditions, v1alpha1.ConditionReady)
	if bad.Reason != v1alpha1.ReasonUnreadable || ready == nil || ready.Reason != v1alpha1.ReasonUnreadable ||
		!strings.Contains(bad.Message, "status.attempt.grantedTime") || !strings.Contains(bad.Message, "node a counts as unavailable") {
		t.Errorf("NodeReboot ra says %s: %s (%v)", bad.Reason, bad.Message, ready)
	}
	if other.Reason != v1alpha1.ReasonSameNode || !strings.Contains(other.Message, "NodeReboot ra of the same node cannot be read") {
		t.Errorf("NodeReboot rc says %s: %s", other.Reason, other.Message)
	}
	if waiting := s.policy("p").Status.Waiting; !slices.Contains(waiting,
		v1alpha1.WaitingCount{Reason: v1alpha1.ReasonUnreadable, Nodes: 1, Example: "ra"}) {
		t.Errorf("the policy says of nodes that wait: %v", waiting)
	}

	s.edit("ra", func(r *v1alpha1.NodeReboot) {
		r.Unreadable = nil
		attempt := r.Status.Attempt
		attempt.GrantedTime, attempt.EndedTime, attempt.Result = *at(-time.Hour), at(-time.Minute), v1alpha1.ReasonPaused
	})
	s.settle()
	if got := s.node("a"); s.reboot("ra").Status.Reason == v1alpha1.ReasonUnreadable || !got.Unschedulable || s.underWay() != "a" {
		t.Errorf("after it was repaired NodeReboot ra says %s, and under way is %q", s.reboot("ra").Status.Reason, s.underWay())
	}
}

func TestANodeRebootThatCannotBeReadGoesWhenItIsDeleted(t *testing.T) {
	t.Parallel()
	ordered := func(r *v1alpha1.NodeReboot) {
		r.Status.Attempt.RebootOrderedTime = &metav1.MicroTime{}
		r.Status.Before = &v1alpha1.BootInfo{BootID: bootOf("a", 1)}
	}
	cases := map[string]struct {
		option rebootOption
		node   nodeOption
		after  time.Duration
	}{
		"at once before the order to reboot":          {},
		"at once when the host is back":               {option: ordered, node: func(n *Node) { n.BootID = bootOf("a", 2) }},
		"when the host had its time":                  {option: ordered, after: deletedGrace},
		"when the host had its time and is not Ready": {option: ordered, node: notReady, after: deletedGrace},
		"when nobody knows, and it had its time":      {option: unreadable("status"), after: deletedGrace},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cordoned := func(n *Node) { n.Unschedulable, n.CordonedFor = true, "uid-of-ra" }
			s := newStory(t, newPolicy("p"), newNode("a", "z1", cordoned), newReboot("ra", "a", attemptUnreadable, finalized))
			s.Slots["a"] = slotOf(1)
			s.edit("ra", func(r *v1alpha1.NodeReboot) {
				if tc.option != nil {
					tc.option(r)
				}
				r.DeletionTimestamp = ptr.To(metav1.NewTime(start))
			})
			if tc.node != nil {
				tc.node(s.node("a"))
			}
			s.settle()
			if tc.after > 0 {
				if s.reboot("ra") == nil {
					t.Fatal("it is gone at once")
				}
				s.advance(tc.after)
				s.settle()
			}
			if s.reboot("ra") != nil || s.node("a").Unschedulable || len(s.Slots) > 0 {
				t.Errorf("there are NodeReboot %v, node %+v and slots %v", s.reboot("ra"), s.node("a"), s.Slots)
			}
		})
	}
}

func TestAPolicyThatCannotBeReadKeepsItsNodes(t *testing.T) {
	t.Parallel()
	bad := func(path string, options ...policyOption) *v1alpha1.RebootPolicy {
		p := newPolicy("bad", append([]policyOption{selecting("pool", "db"), priority(10)}, options...)...)
		p.Unreadable = unreadableAt(path)
		return p
	}
	cases := map[string]struct {
		bad *v1alpha1.RebootPolicy
		// want are the nodes that are drained, of a in the pool of the policy and b in none.
		want string
	}{
		"what is not about its nodes":    {bad: bad("spec.drain.podSelector"), want: "b"},
		"a status that cannot be read":   {bad: bad("status.window", pausedPolicy), want: "b"},
		"which nodes it selects":         {bad: bad("spec.nodeSelector.matchLabels[pool]")},
		"whether it selects all nodes":   {bad: bad("spec.nodes")},
		"anything of its spec":           {bad: bad("spec")},
		"which nodes, below another one": {bad: bad("spec.nodeSelector", priority(-10)), want: "a b"},
		"its priority":                   {bad: bad("spec.priority", priority(0), created(start)), want: "b"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t, tc.bad, newPolicy("p", anyOrder(), maxUnavailable("5")), newNode("a", "z1", labeled("pool", "db")), newNode("b", "z1"),
				newReboot("ra", "a"), newReboot("rb", "b"))
			s.settle()
			if got := s.underWay(); got != tc.want {
				t.Errorf("under way is %q, want %q: ra %s, rb %s", got, tc.want, s.reboot("ra").Status.Message, s.reboot("rb").Status.Message)
			}
			if known := tc.bad.Unreadable[0].Path != "spec"; known != (hasOurTaint(s.node("a")) && hasOurTaint(s.node("b"))) {
				t.Errorf("the taints are %v and %v", s.node("a").Taints, s.node("b").Taints)
			}
			ready := meta.FindStatusCondition(s.policy("bad").Status.Conditions, v1alpha1.ConditionReady)
			if tc.bad.SetAside() && (ready.Reason != v1alpha1.ReasonUnreadable || !strings.Contains(ready.Message, tc.bad.Unreadable[0].Path)) {
				t.Errorf("the policy says %s: %s", ready.Reason, ready.Message)
			}
		})
	}
}

func pausedPolicy(p *v1alpha1.RebootPolicy) { p.Spec.Mode = v1alpha1.ModePaused }

func TestAnAttemptOfAPolicyThatCannotBeReadDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newNode("b", "z1"), newReboot("ra", "a"), newReboot("rb", "b"))
	s.settle()
	s.editPolicy("p", func(p *v1alpha1.RebootPolicy) { p.Unreadable = unreadableAt("spec.recovery.objects") })
	s.settle()
	if got := s.reboot("ra").Status; got.Attempt.RebootOrderedTime != nil || got.Reason != v1alpha1.ReasonPolicyInvalid {
		t.Errorf("before the order to reboot it is %s: %s", got.Phase, got.Message)
	}
}

func TestAConditionThatCannotBeReadIsReplaced(t *testing.T) {
	t.Parallel()
	s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"),
		newReboot("ra", "a", unreadable("status.conditions[example.com/x].lastTransitionTime")))
	p := s.pass()
	var events []string
	for _, event := range p.Work[0].Reboots[0].Events {
		events = append(events, event.Reason)
	}
	if !slices.Contains(events, v1alpha1.ReasonUnreadable) {
		t.Errorf("the events are %v", events)
	}
	s.settle()
	c := meta.FindStatusCondition(s.reboot("ra").Status.Conditions, "example.com/x")
	if c == nil || c.Status != metav1.ConditionUnknown || c.Reason != v1alpha1.ReasonUnreadable || c.LastTransitionTime.IsZero() {
		t.Errorf("the condition is %v", c)
	}
}

func TestAConditionOfTheOperatorThatCannotBeReadIsWhatItShouldBe(t *testing.T) {
	t.Parallel()
	s := newStory(t, newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"),
		newReboot("ra", "a", unreadable("status.conditions[Ready].lastTransitionTime")))
	s.settle()
	var statuses []metav1.ConditionStatus
	for _, c := range s.reboot("ra").Status.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			statuses = append(statuses, c.Status)
		}
	}
	if !slices.Equal(statuses, []metav1.ConditionStatus{metav1.ConditionFalse}) {
		t.Errorf("the statuses of Ready are %v", statuses)
	}
}

// edit changes a copy of a NodeReboot.
func (s *story) edit(name string, change func(*v1alpha1.NodeReboot)) {
	for i, r := range s.Reboots {
		if r.Name == name {
			s.Reboots[i] = r.DeepCopy()
			change(s.Reboots[i])
		}
	}
}

func TestADeletedNodeRebootThatCannotBeReadIsLetGoWhenTheRefusalIsOver(t *testing.T) {
	t.Parallel()
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a", unreadable("spec.urgency"), finalized, deletedAt(0)))
	lets := func() bool {
		return slices.ContainsFunc(s.compute().Work, func(work NodeWork) bool {
			return slices.ContainsFunc(work.Reboots, func(change RebootChange) bool { return change.RemoveFinalizer })
		})
	}
	if !lets() {
		t.Fatal("the finalizer stays")
	}
	refusal := s.refuse(model.WriteFinalizer, "ra", "no")
	if lets() {
		t.Error("it is tried again at once")
	}
	s.now = refusal.Until
	if !lets() {
		t.Error("it is never tried again")
	}
}
