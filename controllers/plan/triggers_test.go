package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// onDeadlock reboots nodes that have had the condition KernelDeadlock for five minutes.
func onDeadlock() policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Triggers = &v1alpha1.TriggersSpec{NodeConditions: []v1alpha1.NodeConditionTrigger{
			{Type: "KernelDeadlock", Status: v1alpha1.TriggerTrue, MinSeconds: ptr.To[int32](300)},
		}}
	})
}

// has gives a node a condition since a time after the start.
func has(conditionType string, status corev1.ConditionStatus, since time.Duration) nodeOption {
	return func(n *Node) {
		var rest []model.NodeCondition
		for _, c := range n.Conditions {
			if string(c.Type) != conditionType {
				rest = append(rest, c)
			}
		}
		rest = append(rest, model.NodeCondition{
			Type: corev1.NodeConditionType(conditionType), Status: status, Since: start.Add(since),
		})
		n.Conditions = rest
	}
}

func deadlockName(boot int) string {
	return v1alpha1.NodeConditionRebootName("a", bootOf("a", boot), "KernelDeadlock")
}

// madeForConditions names the NodeReboots that the manager made.
func madeForConditions(s *story) []string {
	var names []string
	for _, r := range s.Reboots {
		if r.Spec.Trigger == v1alpha1.TriggerNodeCondition {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestNodeConditionAsksForAReboot(t *testing.T) {
	const long = -time.Hour
	deadlock := has("KernelDeadlock", corev1.ConditionTrue, long)
	asks := []string{deadlockName(1)}
	names := newPolicy("p", onDeadlock())
	cases := map[string]struct {
		policy *v1alpha1.RebootPolicy
		node   *Node
		more   []any
		want   []string
	}{
		"that has had the status for long enough": {policy: names, node: newNode("a", "z1", deadlock), want: asks},
		"also while the policy is paused": {
			policy: newPolicy("p", onDeadlock(), mode(v1alpha1.ModePaused)), node: newNode("a", "z1", deadlock), want: asks,
		},
		"not with another status": {policy: names, node: newNode("a", "z1", has("KernelDeadlock", corev1.ConditionFalse, long))},
		"not while it is Unknown": {policy: names, node: newNode("a", "z1", has("KernelDeadlock", corev1.ConditionUnknown, long))},
		"not if it is missing":    {policy: names, node: newNode("a", "z1")},
		"not for so short a time": {policy: names, node: newNode("a", "z1", has("KernelDeadlock", corev1.ConditionTrue, -299*time.Second))},
		"not before the node has been Ready for as long": {
			policy: names, node: newNode("a", "z1", deadlock, has("Ready", corev1.ConditionTrue, -time.Minute)),
		},
		"not if the policy names another":     {policy: names, node: newNode("a", "z1", has("DiskPressure", corev1.ConditionTrue, long))},
		"not without a policy that names it":  {policy: newPolicy("p"), node: newNode("a", "z1", deadlock)},
		"not of a node without a boot ID":     {policy: names, node: newNode("a", "z1", deadlock, func(n *Node) { n.BootID = "" })},
		"not of a node that is being deleted": {policy: names, node: newNode("a", "z1", deadlock, func(n *Node) { n.Deleting = true })},
		"besides the need of the host":        {policy: names, node: newNode("a", "z1", deadlock), more: []any{newReboot("ra", "a")}, want: asks},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(tc.more, tc.policy, tc.node)...)
			s.settle()
			if diff := cmp.Diff(tc.want, madeForConditions(s)); diff != "" {
				t.Errorf("made (-want +got):\n%s", diff)
			}
		})
	}
}

// Anyone who may create NodeReboots knows the names that the manager uses.
func TestANameThatIsTakenKeepsNoConditionFromAsking(t *testing.T) {
	names := v1alpha1.NodeConditionRebootNames("a", bootOf("a", 1), "KernelDeadlock")
	for taken := range len(names) + 1 {
		for _, node := range []string{"a", "b"} {
			t.Run(fmt.Sprintf("%d by NodeReboots of node %s", taken, node), func(t *testing.T) {
				objects := []any{newPolicy("p", onDeadlock(), maxUnavailable("0")), newNode("b", "z1"),
					newNode("a", "z1", has("KernelDeadlock", corev1.ConditionTrue, -time.Hour))}
				for _, name := range names[:taken] {
					objects = append(objects, newReboot(name, node, func(r *v1alpha1.NodeReboot) { r.Spec.Trigger = v1alpha1.TriggerManual }))
				}
				s := newStory(t, objects...)
				s.settle()
				var want []string
				if taken < len(names) {
					want = names[taken : taken+1]
				}
				if diff := cmp.Diff(want, madeForConditions(s)); diff != "" {
					t.Errorf("made (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestPlanWakesWhenAConditionHasHeldForLongEnough(t *testing.T) {
	s := newStory(t, newPolicy("p", onDeadlock()), newNode("a", "z1", has("KernelDeadlock", corev1.ConditionTrue, 0)))
	s.settle()
	if want := start.Add(5 * time.Minute); !s.wake.Equal(want) {
		t.Errorf("the next look is at %s, want %s", s.wake, want)
	}
	s.now = s.wake
	s.settle()
	r := s.reboot(deadlockName(1))
	if want := "Condition KernelDeadlock of the node has been True since 2026-03-02 12:00 +00:00."; r == nil || r.Spec.Reason != want {
		t.Errorf("NodeReboot %+v, want the reason %q", r, want)
	}
}

func TestNeedOfAConditionGoesWithIt(t *testing.T) {
	s := newStory(t, newPolicy("p", onDeadlock(), maxUnavailable("0")),
		newNode("a", "z1", has("KernelDeadlock", corev1.ConditionTrue, -time.Hour)))
	s.settle()
	if !hasOurTaint(s.node("a")) {
		t.Error("not tainted")
	}
	has("KernelDeadlock", corev1.ConditionFalse, 0)(s.node("a"))
	s.settle()
	r := s.reboot(deadlockName(1))
	if r.Status.Outcome != v1alpha1.OutcomeCancelled || r.Status.Reason != v1alpha1.ReasonNeedWithdrawn || hasOurTaint(s.node("a")) {
		t.Fatalf("%s %s", r.Status.Phase, r.Status.Message)
	}
	s.advance(time.Minute)
	if got := s.reboot(deadlockName(1)).Status.CompletionTime; !got.Equal(at(0)) {
		t.Errorf("it ended again at %s", got)
	}
	s.now = start
	has("KernelDeadlock", corev1.ConditionTrue, 0)(s.node("a"))
	s.settle()
	if s.reboot(deadlockName(1)).Status.CompletionTime == nil {
		t.Error("opened again at once")
	}
	s.advance(5 * time.Minute)
	if r := s.reboot(deadlockName(1)); r.Status.CompletionTime != nil || len(madeForConditions(s)) != 1 {
		t.Errorf("not opened again: %s; made %v", r.Status.Phase, madeForConditions(s))
	}
}

// rebootForDeadlock takes the NodeReboot of a condition to the moment at which its node is back.
func rebootForDeadlock(t *testing.T, options ...policyOption) *story {
	t.Helper()
	s := newStory(t, newPolicy("p", append([]policyOption{onDeadlock(), minInterval(0)}, options...)...),
		newNode("a", "z1", has("KernelDeadlock", corev1.ConditionTrue, -time.Hour)))
	s.settle()
	name := deadlockName(1)
	s.report(name, func(report *v1alpha1.HelperReport) {
		report.Sentinel, report.Methods = v1alpha1.SentinelNotRequired, byLogind("")
	})
	s.settle()
	s.answer(name, v1alpha1.OrderDone, "")
	s.settle()
	s.boot("a", 2)
	s.comeBack(name, v1alpha1.SentinelNotRequired)
	s.settle()
	return s
}

func TestConditionHasTimeToGoAfterTheBoot(t *testing.T) {
	s := rebootForDeadlock(t)
	if got := s.reboot(deadlockName(1)).Status; got.Reason != v1alpha1.ReasonNodeConditionPresent {
		t.Fatalf("reason %s: %s", got.Reason, got.Message)
	}
	s.advance(time.Minute)
	has("KernelDeadlock", corev1.ConditionFalse, time.Minute)(s.node("a"))
	s.settle()
	if got := s.reboot(deadlockName(1)).Status.Reason; got != v1alpha1.ReasonProved || len(madeForConditions(s)) != 1 {
		t.Errorf("reason %s, made %v", got, madeForConditions(s))
	}
}

func TestConditionThatNoRebootCuresIsGivenUp(t *testing.T) {
	s := rebootForDeadlock(t, spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxAttempts = ptr.To[int32](1) }))
	s.advance(5 * time.Minute)
	r := s.reboot(deadlockName(1))
	if r.Status.Outcome != v1alpha1.OutcomeFailed || r.Status.Reason != v1alpha1.ReasonConditionStillPresent {
		t.Fatalf("%s %s", r.Status.Phase, r.Status.Reason)
	}
	s.advance(24 * time.Hour)
	if diff := cmp.Diff([]string{deadlockName(1)}, madeForConditions(s)); diff != "" {
		t.Errorf("asked for again in the same boot (-want +got):\n%s", diff)
	}
	if s.policy("p").Status.Failed != 1 || !hasOurTaint(s.node("a")) {
		t.Errorf("failed %d, tainted %v", s.policy("p").Status.Failed, hasOurTaint(s.node("a")))
	}
	s.boot("a", 3)
	s.node("a").Ready = true
	held := s.node("a").Conditions
	has("KernelDeadlock", corev1.ConditionTrue, s.now.Sub(start))(s.node("a"))
	s.settle()
	if made := madeForConditions(s); len(made) != 1 || s.policy("p").Status.Failed != 1 || !hasOurTaint(s.node("a")) {
		t.Errorf("the condition has not held for long enough in the boot after: made %v, failed %d, tainted %v",
			made, s.policy("p").Status.Failed, hasOurTaint(s.node("a")))
	}
	s.node("a").Conditions = held
	s.settle()
	if diff := cmp.Diff(sorted(deadlockName(1), deadlockName(3)), madeForConditions(s)); diff != "" {
		t.Errorf("asked for in the boot after (-want +got):\n%s", diff)
	}
}

func TestConditionThatComesLateAfterTheBootHasItsTimeToGo(t *testing.T) {
	s := rebootForDeadlock(t)
	s.advance(2 * time.Minute)
	has("KernelDeadlock", corev1.ConditionTrue, 2*time.Minute)(s.node("a"))
	s.settle()
	s.advance(5*time.Minute - time.Second)
	if got := s.reboot(deadlockName(1)).Status.Reason; got != v1alpha1.ReasonNodeConditionPresent {
		t.Errorf("reason %s a second too early", got)
	}
	s.advance(time.Second)
	if got := s.reboot(deadlockName(1)).Status; got.Attempt.Result != v1alpha1.ReasonConditionStillPresent {
		t.Errorf("reason %s, result %s", got.Reason, got.Attempt.Result)
	}
}

func TestEachConditionThatAPolicyNamesHasANodeRebootOfItsOwn(t *testing.T) {
	const other = "ReadonlyFilesystem"
	s := newStory(t, newPolicy("p", onDeadlock(), maxUnavailable("0"), spec(func(s *v1alpha1.RebootPolicySpec) {
		s.Triggers.NodeConditions = append(s.Triggers.NodeConditions, v1alpha1.NodeConditionTrigger{Type: other, Status: v1alpha1.TriggerTrue})
	})), newNode("a", "z1", has("KernelDeadlock", corev1.ConditionTrue, -time.Hour)))
	s.settle()
	has(other, corev1.ConditionTrue, 0)(s.node("a"))
	s.settle()
	want := sorted(deadlockName(1), v1alpha1.NodeConditionRebootName("a", bootOf("a", 1), other))
	if diff := cmp.Diff(want, madeForConditions(s)); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
}

func TestNeedOfAConditionThatWasWithdrawnIsNotThatOfTheNextBoot(t *testing.T) {
	s := newStory(t, newPolicy("p", onDeadlock(), maxUnavailable("0")),
		newNode("a", "z1", has("KernelDeadlock", corev1.ConditionTrue, -time.Hour)))
	s.settle()
	has("KernelDeadlock", corev1.ConditionFalse, 0)(s.node("a"))
	s.settle()
	s.boot("a", 2)
	s.node("a").Ready = true
	has("KernelDeadlock", corev1.ConditionTrue, 0)(s.node("a"))
	s.settle()
	s.advance(5 * time.Minute)
	if got := s.reboot(deadlockName(1)).Status; got.Outcome != v1alpha1.OutcomeCancelled {
		t.Errorf("the one of before is %s: %s", got.Outcome, got.Message)
	}
	if diff := cmp.Diff(sorted(deadlockName(1), deadlockName(2)), madeForConditions(s)); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
}

func TestNeedOfAConditionIsThereAgainWithItsNode(t *testing.T) {
	s := newStory(t, newPolicy("p", onDeadlock(), maxUnavailable("0")),
		newNode("a", "z1", has("KernelDeadlock", corev1.ConditionTrue, -time.Hour)))
	s.settle()
	again := *s.node("a")
	s.removeNode("a")
	s.settle()
	if got := s.reboot(deadlockName(1)).Status.OutcomeReason; got != v1alpha1.ReasonNodeGone {
		t.Fatalf("outcome %s", got)
	}
	again.UID = "uid-of-the-node-that-was-registered-again"
	s.Nodes = append(s.Nodes, &again)
	s.settle()
	if got := s.reboot(deadlockName(1)).Status; got.CompletionTime != nil || got.NodeUID != again.UID {
		t.Errorf("%s %s: %s", got.Phase, got.Reason, got.Message)
	}
}

func TestTheNeedOfAConditionOfANodeThatWasNotThereStaysOver(t *testing.T) {
	for _, before := range []*v1alpha1.BootInfo{nil, {BootID: bootOf("a", 0)}} {
		s := newStory(t, newPolicy("p", onDeadlock()), newNode("a", "z1", has("KernelDeadlock", corev1.ConditionTrue, -time.Hour)),
			newReboot("r", "a", func(r *v1alpha1.NodeReboot) {
				finished(v1alpha1.OutcomeCancelled, v1alpha1.ReasonNodeNotFound, -time.Hour)(r)
				r.Spec.Trigger, r.Spec.ConditionType = v1alpha1.TriggerNodeCondition, "KernelDeadlock"
				r.Status.Before, r.Status.NodeUID = before, ""
			}))
		s.settle()
		r := s.reboot("r")
		if !r.Status.CompletionTime.Equal(at(-time.Hour)) {
			t.Errorf("with the boot %v it is %s: %s", before, r.Status.Phase, r.Status.Message)
		}
		if mayBeOpenedAgain(r, s.node("a")) {
			t.Errorf("with the boot %v it may be opened again", before)
		}
	}
}

func sorted(names ...string) []string { return slices.Sorted(slices.Values(names)) }

func TestConditionThatComesAgainInTheNextBootIsANewNeed(t *testing.T) {
	s := rebootForDeadlock(t)
	has("KernelDeadlock", corev1.ConditionFalse, 0)(s.node("a"))
	s.settle()
	has("KernelDeadlock", corev1.ConditionTrue, 0)(s.node("a"))
	s.settle()
	s.now = start.Add(5 * time.Minute)
	s.settle()
	want := sorted(deadlockName(1), deadlockName(2))
	if diff := cmp.Diff(want, madeForConditions(s)); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
}
