package plan

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func failing(t *testing.T, words string, options ...policyOption) *story {
	t.Helper()
	s := newStory(t, append(fleet(words), newPolicy("p", options...))...)
	s.settle()
	return s
}

func (s *story) failDrain() string {
	s.t.Helper()
	node := s.underWay()
	if node == "" || strings.Contains(node, " ") {
		s.t.Fatalf("under way %q, reasons %v", node, s.reasons())
	}
	s.answer("r"+node, v1alpha1.OrderFailed, "No.")
	s.settle()
	return node
}

func TestDrainsThatFailOnNodesInARowHaltThePolicy(t *testing.T) {
	s := failing(t, "a/z1 b/z1 c/z1 d/z2")
	for _, want := range []string{"a", "b", "c"} {
		if got := s.failDrain(); got != want {
			t.Fatalf("%s failed, want %s", got, want)
		}
	}
	if got := s.underWay(); got != "" {
		t.Fatalf("under way %q", got)
	}
	ready := s.policy("p").Status.Conditions[0]
	for _, want := range []string{"3 nodes in a row", "NodeReboot ra (DrainFailed)", "2026-03-02 12:10:00Z", "delete these NodeReboots"} {
		if ready.Reason != v1alpha1.ReasonDrainsFailing || !strings.Contains(ready.Message, want) {
			t.Errorf("condition %s %s %q does not say %q", ready.Type, ready.Reason, ready.Message, want)
		}
	}
	if got := s.reboot("rd").Status.Reason; got != v1alpha1.ReasonHalted {
		t.Errorf("d waits for %s", got)
	}
}

func TestDrainsThatFailOnAPartOfTheNodesHaltThePolicy(t *testing.T) {
	for part, failures := range map[string]int{"1%": 1, "39%": 1, "40%": 2, "79%": 3, "100%": 5} {
		t.Run(part, func(t *testing.T) {
			s := failing(t, "a/z1 b/z1 c/z1 d/z1 e/z1", spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Failure.MaxConsecutiveFailures = ptr.To(intstr.FromString(part))
			}))
			for i := range failures {
				if s.underWay() == "" {
					t.Fatalf("halted after %d failures", i)
				}
				s.failDrain()
			}
			if got := s.policy("p").Status.Conditions[0].Reason; got != v1alpha1.ReasonDrainsFailing {
				t.Errorf("the policy is %s after %d failures", got, failures)
			}
		})
	}
}

func TestNodesThatDoNotComeBackHaltThePolicyByTheirPart(t *testing.T) {
	for part, halted := range map[string]bool{"1%": true, "49%": true, "50%": false, "100%": false} {
		t.Run(part, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1 c/z1 d/z1"), newPolicy("p", maxUnavailable("2"), spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Failure.MaxFailures = ptr.To(intstr.FromString(part))
			})), newReboot("failed", "a", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, -time.Minute)))...)
			s.settle()
			if got := s.reboot("rc").Status.Reason == v1alpha1.ReasonHalted; got != halted {
				t.Errorf("halted: %v by one of four nodes, reasons %v", got, s.reasons())
			}
		})
	}
}

func TestAHaltedPolicyTriesOneNodeAtATimeTheLeastFailedFirst(t *testing.T) {
	s := failing(t, "a/z1 b/z1 c/z1 d/z2 e/z2", maxUnavailable("1"))
	for range 3 {
		s.failDrain()
	}
	s.editPolicy("p", maxUnavailable("5"), anyOrder())
	s.settle()
	s.advance(9 * time.Minute)
	if got := s.underWay(); got != "" {
		t.Fatalf("under way %q before the back-off is over", got)
	}
	s.advance(time.Minute)
	if got := s.underWay(); got != "d" {
		t.Fatalf("under way %q: one that has not failed, of whatever zone, goes alone", got)
	}
	s.failDrain()
	s.advance(19 * time.Minute)
	if got := s.underWay(); got != "" {
		t.Fatalf("under way %q: the back-off doubles", got)
	}
	s.advance(time.Minute)
	if got := s.underWay(); got != "e" {
		t.Fatalf("under way %q", got)
	}
	s.prove("e")
	if got := s.underWay(); got != "a b c d" {
		t.Errorf("under way %q after one came back, reasons %v", got, s.reasons())
	}
}

func TestATrialThatCannotStartHoldsUpNoOther(t *testing.T) {
	s := failing(t, "a/z1 b/z1 c/z1 d/z2", anyOrder(), perZone("1"))
	for range 3 {
		s.failDrain()
	}
	s.Nodes = append(s.Nodes, newNode("e", "z2", notReady))
	s.editPolicy("p", maxUnavailable("5"))
	s.settle()
	s.advance(10 * time.Minute)
	if got := s.underWay(); got != "a" {
		t.Errorf("under way %q, reasons %v: d has not failed, and cannot start because of e", got, s.reasons())
	}
}

func TestAHaltForDrainsEndsWhenOneOfThoseThatFailed(t *testing.T) {
	for name, event := range map[string]func(*story){
		"is deleted": func(s *story) { s.delete("ra") },
		"is deleted and held by a finalizer": func(s *story) {
			s.reboot("ra").Finalizers = append(s.reboot("ra").Finalizers, "example.com/held-by-a-test")
			s.delete("ra")
		},
		"is no longer needed": func(s *story) {
			s.report("ra", func(report *v1alpha1.HelperReport) { report.Sentinel = v1alpha1.SentinelNotRequired })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := failing(t, "a/z1 b/z1 c/z1 d/z1")
			for range 3 {
				s.failDrain()
			}
			event(s)
			s.settle()
			if got := s.underWay(); got != "d" {
				t.Errorf("under way %q", got)
			}
		})
	}
}

func TestOneNodeThatFailsAgainAndAgainHaltsNobody(t *testing.T) {
	s := failing(t, "a/z1")
	for range 5 {
		s.failDrain()
		for s.underWay() == "" {
			s.advance(time.Minute)
		}
	}
	if c := s.policy("p").Status.Conditions[0]; c.Reason != v1alpha1.ReasonInForce {
		t.Errorf("%s %q", c.Reason, c.Message)
	}
}

func TestZeroNeverHaltsForDrains(t *testing.T) {
	never := spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxConsecutiveFailures = ptr.To(intstr.FromInt32(0)) })
	s := failing(t, "a/z1 b/z1 c/z1 d/z1 e/z1", never)
	for range 5 {
		s.failDrain()
	}
	if c := s.policy("p").Status.Conditions[0]; c.Reason != v1alpha1.ReasonInForce {
		t.Errorf("%s %q", c.Reason, c.Message)
	}
}

func TestAHaltRollsBackWhatWasNotToldToReboot(t *testing.T) {
	s := failing(t, "a/z1 b/z1 c/z1", maxUnavailable("3"), drain(func(d *v1alpha1.DrainSpec) { d.TimeoutSeconds = ptr.To[int32](3600) }))
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.answer("ra", v1alpha1.OrderStarted, "")
	s.settle()
	s.node("a").Ready = false
	s.settle()
	s.advance(9 * time.Minute)
	s.answer("rb", v1alpha1.OrderDone, "")
	s.settle()
	s.answer("rb", v1alpha1.OrderStarted, "")
	s.advance(6 * time.Minute)
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonNodeNotBack {
		t.Fatalf("a: %s", got)
	}
	if got := s.underWay(); got != "a b" || s.reboot("rc").Status.Attempt.Result != v1alpha1.ReasonHalted {
		t.Errorf("under way %q, c: %+v: the drain of c is rolled back, the reboot of b goes on", got, s.reboot("rc").Status.Attempt)
	}
}

func TestANodeThatCameBackEndsTheRowAlsoWhenItIsDeleted(t *testing.T) {
	s := failing(t, "a/z1 b/z1 c/z1 d/z1")
	for range 2 {
		s.failDrain()
	}
	s.now = s.now.Add(time.Second)
	s.prove("c")
	s.deleteNode("c")
	s.settle()
	s.now = s.now.Add(time.Second)
	s.failDrain()
	if c := s.policy("p").Status.Conditions[0]; c.Reason != v1alpha1.ReasonInForce {
		t.Errorf("%s %q", c.Reason, c.Message)
	}
	s.reboot("rc").Status.Attempt.PolicyName = "another"
	s.settle()
	if c := s.policy("p").Status.Conditions[0]; c.Reason != v1alpha1.ReasonDrainsFailing {
		t.Errorf("%s %q: a node of another policy ends no row", c.Reason, c.Message)
	}
}

func TestAHostThatWasToldForTheLastTimeAndDidNotRebootHaltsThePolicyAtOnce(t *testing.T) {
	s := drainedInVain(t, stageRebooting, spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxAttempts = ptr.To[int32](1) }))
	s.advance(16 * time.Minute)
	s.editPolicy("p", maxUnavailable("2"))
	s.settle()
	if a := s.reboot("ra").Status.Attempt; a.Result != v1alpha1.ReasonRebootNotObserved || a.EndedTime != nil {
		t.Fatalf("attempt %+v", a)
	}
	if got := s.reboot("rb").Status.Reason; got != v1alpha1.ReasonHalted {
		t.Errorf("b waits for %s, under way %q", got, s.underWay())
	}
	s.delete("ra") // a person gives it up
	s.settle()
	if got := s.underWay(); got != "a b" {
		t.Errorf("under way %q, b waits for %s", got, s.reboot("rb").Status.Reason)
	}
}

func TestOnlyWhatPreventsRebootsHaltsAPolicyForDrains(t *testing.T) {
	for reason, halts := range map[string]bool{
		v1alpha1.ReasonDrainTimedOut: true, v1alpha1.ReasonHookTimedOut: true, v1alpha1.ReasonPodsNotFinished: true,
		v1alpha1.ReasonRebootFailed: true, v1alpha1.ReasonOrderExpired: true,
		// The host rebooted, or a person interfered.
		v1alpha1.ReasonSentinelStillPresent: false, v1alpha1.ReasonConditionStillPresent: false, v1alpha1.ReasonUncordoned: false,
	} {
		t.Run(reason, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p"))...)
			for _, r := range s.Reboots {
				failedBefore(1, -time.Minute)(r)
				r.Status.Failures.LastReason = reason
			}
			s.settle()
			if c := s.policy("p").Status.Conditions[0]; (c.Reason == v1alpha1.ReasonDrainsFailing) != halts {
				t.Errorf("%s %q", c.Reason, c.Message)
			}
		})
	}
}

func TestOnlyOneTrialOfAHaltedPolicyWouldStart(t *testing.T) {
	s := failing(t, "a/z1 b/z1 c/z1 d/z1 e/z1")
	for range 3 {
		s.failDrain()
	}
	s.editPolicy("p", mode(v1alpha1.ModeObserve), maxUnavailable("5"))
	s.settle()
	s.advance(time.Hour)
	if got := s.waits(v1alpha1.ReasonObserving); got != "d" {
		t.Errorf("%q would start, reasons %v", got, s.reasons())
	}
}

func TestAHaltStopsADrainThatIsDoneInTheSameInstant(t *testing.T) {
	s := failing(t, "a/z1 b/z1", maxUnavailable("2"), drain(func(d *v1alpha1.DrainSpec) { d.TimeoutSeconds = ptr.To[int32](3600) }))
	s.tell("b")
	s.advance(15*time.Minute - time.Second)
	s.now = s.now.Add(time.Second) // b is not back
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	if a := s.reboot("ra").Status.Attempt; a.RebootOrderedTime != nil || a.Result != v1alpha1.ReasonHalted {
		t.Errorf("attempt %+v", a)
	}
}
