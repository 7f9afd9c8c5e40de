package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// drainedInVain is an attempt on node a that has evicted a replica of web, and a node b that needs a reboot as well.

func drainedInVain(t *testing.T, to stage, options ...policyOption) *story {
	t.Helper()
	s := preparedAttemptIn(t, to, func(s *story) {
		more := newSnapshot(fleet("b/z1")...)
		s.Nodes, s.Reboots = append(s.Nodes, more.Nodes...), append(s.Reboots, more.Reboots...)
		s.Pods["b"] = nil
	}, append([]policyOption{nodeOrder(v1alpha1.NodeOrderLongestRequired)}, options...)...)
	s.Workloads[deployment("web")] = Workload{Ready: 2, Desired: 3}
	return s
}

func TestASlotIsHeldUntilWhatWasEvictedIsBackHoweverTheAttemptEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		stage  stage
		event  func(*story)
		result string
	}{
		"a drain that failed":                   {stageDraining, func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "No.") }, v1alpha1.ReasonDrainFailed},
		"a drain that timed out":                {stageDraining, func(s *story) { s.advance(10 * time.Minute) }, v1alpha1.ReasonDrainTimedOut},
		"a node that is skipped":                {stageDraining, labelSkip, v1alpha1.ReasonSkipped},
		"a policy that only observes":           {stageDrained, observed, v1alpha1.ReasonObserving},
		"an approval that is missing":           {stageDrained, unapproved, v1alpha1.ReasonAwaitingApproval},
		"a NodeReboot that is deleted":          {stageDraining, deleted, v1alpha1.ReasonDeleted},
		"a node that is uncordoned":             {stageDrained, uncordoned, v1alpha1.ReasonUncordoned},
		"a node that was deleted":               {stageDrained, nodeDeleted, v1alpha1.ReasonNodeGone},
		"a host that cannot reboot":             {stageRebooting, func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "No.") }, v1alpha1.ReasonRebootFailed},
		"a host that does not reboot":           {stageRebooting, func(s *story) { s.advance(17 * time.Minute) }, v1alpha1.ReasonRebootNotObserved},
		"an order that the helper did not take": {stageRebooting, func(s *story) { ignoredOrder(s); s.advance(16 * time.Minute) }, v1alpha1.ReasonOrderExpired},
		"a window that closed": {stageDrained, func(s *story) {
			s.editPolicy("p", scheduled(opensAtOne))
		}, v1alpha1.ReasonWindowClosed},
	} {
		t.Run(name, func(t *testing.T) {
			s := drainedInVain(t, tc.stage)
			tc.event(s)
			s.settle()
			status := s.reboot("ra").Status
			a := status.Attempt
			if a.RolledBackTime == nil || a.EndedTime != nil || a.Result != tc.result || status.Phase != v1alpha1.PhaseRecovering {
				t.Fatalf("phase %s, attempt %+v, want one that was rolled back for %s", status.Phase, a, tc.result)
			}
			if n := s.node("a"); n != nil && n.Unschedulable && tc.result != v1alpha1.ReasonUncordoned {
				t.Error("the node is still cordoned")
			}
			if status.Order != nil {
				t.Errorf("order %+v of an attempt that was rolled back", status.Order)
			}
			if status.Reason != v1alpha1.ReasonWorkloadsNotReady || len(s.Slots) != 1 || s.underWay() != "a" {
				t.Errorf("reason %s, slots %v, under way %q: the slot is held", status.Reason, s.Slots, s.underWay())
			}
			s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 3}
			s.settle()
			if r := s.reboot("ra"); r != nil && r.Status.Attempt.EndedTime == nil {
				t.Errorf("%s %q when what was evicted is back", r.Status.Reason, r.Status.Message)
			}
		})
	}
}

func TestTheNextNodeStartsWhenWhatWasEvictedIsBack(t *testing.T) {
	s := drainedInVain(t, stageDraining)
	s.answer("ra", v1alpha1.OrderFailed, "No.")
	s.settle()
	if got := s.underWay(); got != "a" {
		t.Fatalf("under way %q while a replica is away", got)
	}
	s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 3}
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way %q when it is back", got)
	}
}

func TestWhatWasEvictedAndDoesNotComeBackHaltsThePolicy(t *testing.T) {
	s := drainedInVain(t, stageDraining)
	s.answer("ra", v1alpha1.OrderFailed, "No.")
	s.settle()
	s.advance(30 * time.Minute)
	status := s.reboot("ra").Status
	if status.Reason != v1alpha1.ReasonRecoveryTimedOut || status.Attempt.Result != v1alpha1.ReasonDrainFailed ||
		!strings.Contains(status.Message, "Deployment apps/web") {
		t.Errorf("%s (%s) %q", status.Reason, status.Attempt.Result, status.Message)
	}
	if got := s.reboot("rb").Status.Reason; got != v1alpha1.ReasonHalted {
		t.Errorf("b waits for %s", got)
	}
	s.advance(time.Minute) // nothing is written again
	s.delete("ra")         // a person gives it up
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way %q after the NodeReboot was deleted", got)
	}
}

func TestWorkloadsThatAPolicyIgnoresHoldNoSlotAfterARollback(t *testing.T) {
	s := drainedInVain(t, stageDraining, spec(func(s *v1alpha1.RebootPolicySpec) { s.Recovery.Workloads = v1alpha1.Ignore }))
	s.answer("ra", v1alpha1.OrderFailed, "No.")
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Errorf("under way %q", got)
	}
}

func TestADeletedNodeRebootDoesNotHoldItsSlotForEver(t *testing.T) {
	s := drainedInVain(t, stageDraining)
	s.delete("ra")
	s.settle()
	if s.reboot("ra") == nil || s.underWay() != "a" {
		t.Fatalf("under way %q", s.underWay())
	}
	s.advance(30 * time.Minute)
	if s.reboot("ra") != nil || s.underWay() != "b" {
		t.Errorf("under way %q after recovery.timeoutSeconds", s.underWay())
	}
}

// The helper makes another NodeReboot as soon as the deleted one is gone, so the node must not be without the taint in between.
func TestANodeKeepsItsTaintWhileADeletedNodeRebootIsRolledBackIfItsHostAsks(t *testing.T) {
	for sentinel, want := range map[v1alpha1.SentinelState]bool{v1alpha1.SentinelRequired: true, v1alpha1.SentinelNotRequired: false} {
		s := drainedInVain(t, stageDraining)
		s.reboot("ra").Status.Report.Sentinel = sentinel
		s.delete("ra")
		s.settle()
		if got := s.reboot("ra").Status; got.Attempt.RolledBackTime == nil {
			t.Fatalf("%s %q", got.Reason, got.Message)
		}
		if got := hasOurTaint(s.node("a")); got != want {
			t.Errorf("sentinel %s: tainted: %t, want %t", sentinel, got, want)
		}
	}
}

func TestAHostThatRebootsAfterItsAttemptWasRolledBackIsProved(t *testing.T) {
	s := drainedInVain(t, stageRebooting)
	s.advance(17 * time.Minute)
	powerLost(s)
	s.settle()
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 3}
	s.settle()
	s.advance(time.Minute)
	if got := s.reboot("ra").Status; got.Phase != v1alpha1.PhaseSucceeded {
		t.Errorf("%s %q", got.Reason, got.Message)
	}
}

// failing is a fleet of which every drain fails.

func TestASlotIsHeldWhileAReplicaOfAStatefulSetTerminates(t *testing.T) {
	db := WorkloadKey{Kind: v1alpha1.WorkloadStatefulSet, Namespace: "apps", Name: "db"}
	s := preparedAttemptIn(t, stageDraining, func(s *story) {
		for _, name := range []string{"db-1", "db-0", "db-2"} {
			s.Pods["a"] = append(s.Pods["a"], readyPod(name, start.Add(-time.Hour), db))
		}
		s.Workloads[db] = Workload{Ready: 3, Desired: 3}
	})
	replicas := s.Pods["a"][len(s.Pods["a"])-3:]
	for i := range replicas {
		replicas[i].Terminating = true // the StatefulSet still counts it as ready
	}
	labelSkip(s)
	s.settle()
	const want = "Pod apps/db-0 was evicted from node a and has not terminated."
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonWorkloadsNotReady || got.Message != want || s.underWay() != "a" {
		t.Fatalf("%s %q", got.Reason, got.Message)
	}
	s.Pods["a"] = s.Pods["a"][:3]
	s.Pods["a"][2].Finished = true // what keeps it there is a finalizer
	s.settle()
	if got := s.underWay(); got != "" {
		t.Errorf("under way %q when two are gone and one has ended", got)
	}
}

func TestAnotherNodeRebootOfANodeGoesWhenWhatTheFirstEvictedIsBack(t *testing.T) {
	s := drainedInVain(t, stageDraining)
	s.Reboots = append(s.Reboots, newReboot("ra2", "a", manual))
	s.delete("ra")
	s.settle()
	want := "The attempt of NodeReboot ra of the same node was rolled back, and its slot is held until the pods that it evicted are back."
	if got := s.reboot("ra2").Status; got.Message != want {
		t.Errorf("%s %q, want %q", got.Reason, got.Message, want)
	}
	s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 3}
	s.settle()
	if got := s.underWay(); s.reboot("ra") != nil || s.reboot("ra2").Status.Attempt == nil {
		t.Errorf("under way %q", got)
	}
}

func TestASlotIsFreedAtOnceIfNothingWasEvicted(t *testing.T) {
	for name, tc := range map[string]struct {
		stage   stage
		options []policyOption
	}{
		"before the drain":             {stage: stageCordoned},
		"where the policy drains none": {stage: stageDrained, options: []policyOption{drain(skipDrain)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := drainedInVain(t, stageCordoned, tc.options...)
			if tc.stage == stageDrained {
				s.advance(time.Minute)
			}
			labelSkip(s)
			s.settle()
			if got := s.underWay(); got != "b" {
				t.Errorf("under way %q: what is not ready is so for another cause", got)
			}
		})
	}
}

func TestAnAttemptThatStalledAndIsRolledBackRecoversLikeAnyOther(t *testing.T) {
	s := drainedInVain(t, stageRebooting)
	s.node("a").Ready = false
	s.advance(20 * time.Minute)
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonNodeNotBack {
		t.Fatalf("reason %s", got)
	}
	s.node("a").Ready = true // in the same boot
	s.settle()
	if got := s.reboot("ra").Status; got.Phase != v1alpha1.PhaseRecovering || got.Attempt.StalledTime != nil {
		t.Errorf("%s %s %q", got.Phase, got.Reason, got.Message)
	}
	s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 3}
	s.settle()
	if a := s.reboot("ra").Status.Attempt; a.EndedTime == nil || a.Containers != nil {
		t.Errorf("attempt %+v", a)
	}
}

func TestASlotIsNotHeldForEverWhenThePolicyIsGone(t *testing.T) {
	s := drainedInVain(t, stageDraining)
	s.removePolicies()
	s.settle()
	s.advance(30*time.Minute - time.Second)
	if got := s.underWay(); got != "a" {
		t.Fatalf("under way %q", got)
	}
	s.advance(time.Second)
	if got := s.underWay(); got != "" {
		t.Errorf("under way %q", got)
	}
}

func TestACanaryWhoseDrainFailedHoldsTheOthersAlsoOnceWhatItEvictedIsBack(t *testing.T) {
	s := drainedInVain(t, stageDraining, canaryOf(1, 0))
	s.answer("ra", v1alpha1.OrderFailed, "No.")
	s.settle()
	s.advance(time.Minute)
	s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 3}
	s.settle()
	if got := s.reboot("rb").Status.Reason; got != v1alpha1.ReasonCanaryFailed {
		t.Errorf("b waits for %s, under way %q", got, s.underWay())
	}
}

func TestANodeWhoseNeedGoesWhileItsRolledBackAttemptRecoversIsNotTainted(t *testing.T) {
	s := drainedInVain(t, stageDraining)
	s.answer("ra", v1alpha1.OrderFailed, "No.")
	s.settle()
	if !hasOurTaint(s.node("a")) {
		t.Fatal("the node still needs a reboot, and is not tainted")
	}
	s.edit("ra", func(r *v1alpha1.NodeReboot) { r.Spec.Trigger = v1alpha1.TriggerSentinel })
	s.report("ra", func(report *v1alpha1.HelperReport) { report.Sentinel = v1alpha1.SentinelNotRequired })
	s.settle()
	if status := s.reboot("ra").Status; status.Attempt.EndedTime != nil || hasOurTaint(s.node("a")) {
		t.Errorf("%s %q, taints %v", status.Phase, status.Message, s.node("a").Taints)
	}
}
