package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// What can happen in the middle of an attempt.
var (
	paused      = func(s *story) { s.editPolicy("p", mode(v1alpha1.ModePaused)) }
	observed    = func(s *story) { s.editPolicy("p", mode(v1alpha1.ModeObserve)) }
	invalid     = func(s *story) { s.editPolicy("p", maxUnavailable("some")) }
	unselected  = func(s *story) { s.removePolicies() }
	uncordoned  = func(s *story) { s.node("a").Unschedulable = false }
	deleted     = func(s *story) { s.delete("ra") }
	nodeDeleted = func(s *story) { s.removeNode("a") }
	powerLost   = func(s *story) { s.boot("a", 2) }

	labelSkip  = func(s *story) { s.relabel("a", func(labels map[string]string) { labels[v1alpha1.SkipLabel] = "true" }) }
	unapproved = func(s *story) { s.editPolicy("p", approvalRequired()) }

	nodeReplaced = func(s *story) {
		s.removeNode("a")
		s.Nodes = append(s.Nodes, newNode("a", "z1", func(n *Node) { n.UID, n.BootID = "another", "a-boot-of-another" }))
	}
)

func TestAttemptIsRolledBackBeforeItsReboot(t *testing.T) {
	rolledBack := func(reason string) summary {
		return summary{Phase: v1alpha1.PhasePending, Reason: reason, Result: reason, Tainted: true}
	}
	cases := map[string]struct {
		event func(*story)
		want  summary
	}{
		"when the policy is paused":            {paused, rolledBack(v1alpha1.ReasonPaused)},
		"when the policy only observes":        {observed, rolledBack(v1alpha1.ReasonObserving)},
		"when the policy becomes invalid":      {invalid, rolledBack(v1alpha1.ReasonPolicyInvalid)},
		"when the NodeReboot is deleted":       {deleted, summary{Gone: true}},
		"when the host rebooted without order": {powerLost, summary{Phase: v1alpha1.PhaseRecovering, Reason: v1alpha1.ReasonNodeNotReady, Cordoned: true, Tainted: true}},
		"when the node gets the label to skip it": {
			labelSkip, summary{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonSkipped, Result: v1alpha1.ReasonSkipped},
		},
		"when an approval is required and not given": {unapproved, rolledBack(v1alpha1.ReasonAwaitingApproval)},
		"when no policy selects the node": {
			unselected, summary{Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonNoPolicy, Result: v1alpha1.ReasonNotSelected},
		},
		"when someone uncordons the node, as a failure": {uncordoned, summary{
			Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonBackingOff, Result: v1alpha1.ReasonUncordoned, Failures: 1, Tainted: true,
		}},
	}
	for name, tc := range cases {
		for _, stage := range []stage{stageCordoned, stageDraining, stageDrained} {
			t.Run(fmt.Sprintf("%s %s", stage, name), func(t *testing.T) {
				s := attemptIn(t, stage)
				tc.event(s)
				s.settle()
				if diff := cmp.Diff(tc.want, s.summary("ra")); diff != "" {
					t.Errorf("NodeReboot (-want +got):\n%s", diff)
				}
				if !tc.want.Cordoned && (s.node("a").Unschedulable || len(s.Slots) != 0) {
					t.Errorf("unschedulable %v, slots %v: what was rolled back leaves nothing", s.node("a").Unschedulable, s.Slots)
				}
			})
		}
	}
}

func TestHostThatWasToldToRebootIsSeenThrough(t *testing.T) {
	told := map[stage]summary{
		stageRebooting: {
			Phase: v1alpha1.PhaseRebooting, Reason: v1alpha1.ReasonRebooting, Order: v1alpha1.ActionReboot, Cordoned: true, Tainted: true,
		},
		stageBack:     {Phase: v1alpha1.PhaseRecovering, Reason: v1alpha1.ReasonNodeNotReady, Cordoned: true, Tainted: true},
		stageSettling: {Phase: v1alpha1.PhaseRecovering, Reason: v1alpha1.ReasonSettling},
	}
	events := map[string]func(*story){
		"paused": paused, "observed": observed, "invalid": invalid, "to be skipped here": labelSkip, "in want of an approval": unapproved,
	}
	for stage, want := range told {
		for name, event := range events {
			t.Run(fmt.Sprintf("%s when its policy is %s", stage, name), func(t *testing.T) {
				s := attemptIn(t, stage)
				event(s)
				s.settle()
				if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
					t.Errorf("NodeReboot (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestHostThatWasToldToRebootIsProvedWithoutAPolicy(t *testing.T) {
	s := attemptIn(t, stageRebooting)
	unselected(s)
	s.settle()
	powerLost(s)
	s.settle()
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	want := summary{
		Phase: v1alpha1.PhaseSucceeded, Reason: v1alpha1.ReasonProved, Outcome: v1alpha1.OutcomeSucceeded, Result: v1alpha1.ReasonProved,
	}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
}

func TestAttemptEndsWithANodeWhoseHostWasNotToldToReboot(t *testing.T) {
	for _, event := range []struct {
		name string
		run  func(*story)
	}{{"deleted", nodeDeleted}, {"replaced", nodeReplaced}} {
		for stage := stageCordoned; stage <= stageDrained; stage++ {
			t.Run(fmt.Sprintf("%s when the node is %s", stage, event.name), func(t *testing.T) {
				s := attemptIn(t, stage)
				event.run(s)
				s.settle()
				s.wantNodeGone()
			})
		}
	}
}

// wantNodeGone: the attempt ended with its Node, and nothing is left of it.
func (s *story) wantNodeGone() {
	s.t.Helper()
	want := summary{
		Phase: v1alpha1.PhaseFailed, Reason: v1alpha1.ReasonNodeGone, Outcome: v1alpha1.OutcomeFailed, Result: v1alpha1.ReasonNodeGone,
	}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		s.t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
	if len(s.Slots) != 0 || len(s.reboot("ra").Finalizers) != 0 {
		s.t.Errorf("slots %v, finalizers %v: nothing is left of it", s.Slots, s.reboot("ra").Finalizers)
	}
}

func TestNodeThatIsRegisteredAgainIsStillRebooted(t *testing.T) {
	s := attemptIn(t, stageDraining)
	s.removeNode("a")
	s.settle()
	s.Nodes = append(s.Nodes, newNode("a", "z1", func(n *Node) { n.UID = "another" }))
	s.settle()
	want := summary{
		Phase: v1alpha1.PhaseDraining, Reason: v1alpha1.ReasonDrainDelayed, Attempt: 2, Cordoned: true, Tainted: true,
	}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot whose host runs the same boot under another Node (-want +got):\n%s", diff)
	}
	if got := s.reboot("ra").Status.NodeUID; got != "another" {
		t.Errorf("it is about the Node with UID %s", got)
	}
}

func TestDeletedNodeRebootIsSeenThroughOnceTheHostWasTold(t *testing.T) {
	stays := func(phase v1alpha1.Phase, reason string) summary {
		return summary{Phase: phase, Reason: reason, Cordoned: true, Tainted: true}
	}
	cases := map[string]struct {
		stage  stage
		before func(*story)
		after  time.Duration
		want   summary
	}{
		"a rebooting one stays": {
			stage: stageRebooting, before: func(s *story) { s.node("a").Ready = false }, after: 899 * time.Second,
			want: summary{
				Phase: v1alpha1.PhaseRebooting, Reason: v1alpha1.ReasonRebooting, Order: v1alpha1.ActionReboot, Cordoned: true, Tainted: true,
			},
		},
		"one whose node does not come back goes at the deadline": {
			stage: stageRebooting, before: func(s *story) { s.node("a").Ready = false }, after: 900 * time.Second, want: summary{Gone: true},
		},
		"one whose host did not reboot goes a minute later": {stage: stageRebooting, after: 960 * time.Second, want: summary{Gone: true}},
		"one that stalled already goes at once": {
			stage: stageRebooting, want: summary{Gone: true},
			before: func(s *story) {
				s.node("a").Ready = false
				s.advance(900 * time.Second)
			},
		},
		"one whose node is back and not Ready stays": {
			stage: stageBack, after: 1799 * time.Second, want: stays(v1alpha1.PhaseRecovering, v1alpha1.ReasonNodeNotReady),
		},
		"one whose node is back and does not become Ready goes at the deadline": {
			stage: stageBack, after: 1800 * time.Second, want: summary{Gone: true},
		},
		"one whose node is back and no longer belongs to a policy goes at once": {
			stage: stageBack, before: unselected, want: summary{Gone: true},
		},
		"one whose node was proved goes at once": {stage: stageSettling, want: summary{Gone: true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, tc.stage)
			if tc.before != nil {
				tc.before(s)
				s.settle()
			}
			deleted(s)
			s.settle()
			s.advance(tc.after)
			if diff := cmp.Diff(tc.want, s.summary("ra")); diff != "" {
				t.Errorf("NodeReboot (-want +got):\n%s", diff)
			}
			if tc.want.Gone && (s.node("a").Unschedulable || hasOurTaint(s.node("a")) || len(s.node("a").Maintenance) != 0) {
				t.Errorf("node %+v: nothing of ours is left on it", *s.node("a"))
			}
		})
	}
}

func TestNodeThatDoesNotComeBackIsWatchedAndMayRecover(t *testing.T) {
	s := attemptIn(t, stageRebooting)
	s.node("a").Ready, s.node("a").HelperReady = false, false
	s.advance(900 * time.Second)
	stalled := summary{
		Phase: v1alpha1.PhaseFailed, Reason: v1alpha1.ReasonNodeNotBack, Result: v1alpha1.ReasonNodeNotBack, Cordoned: true, Tainted: true,
	}
	if diff := cmp.Diff(stalled, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot that stalled (-want +got):\n%s", diff)
	}
	if s.wake != (time.Time{}) {
		t.Errorf("there is a look at %s; only the node can change anything now", s.wake)
	}
	s.advance(24 * time.Hour)
	powerLost(s)
	s.settle()
	if diff := cmp.Diff(summary{
		Phase: v1alpha1.PhaseRecovering, Reason: v1alpha1.ReasonNodeNotReady, Cordoned: true, Tainted: true,
	}, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot whose node is back (-want +got):\n%s", diff)
	}
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	s.advance(time.Minute)
	if got := s.reboot("ra").Status.Phase; got != v1alpha1.PhaseSucceeded {
		t.Errorf("phase %s after the node recovered", got)
	}
}

func TestStalledNodeThatBecomesReadyInTheSameBootFails(t *testing.T) {
	s := attemptIn(t, stageRebooting)
	s.node("a").Ready = false
	s.advance(900 * time.Second)
	s.node("a").Ready = true
	s.settle()
	want := summary{
		Phase: v1alpha1.PhasePending, Reason: v1alpha1.ReasonBackingOff, Result: v1alpha1.ReasonRebootNotObserved, Failures: 1, Tainted: true,
	}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
}

func TestLongerTimeoutDoesNotHideThatAnAttemptStalled(t *testing.T) {
	s := attemptIn(t, stageRebooting)
	s.node("a").Ready = false
	s.advance(900 * time.Second)
	s.editPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.TimeoutSeconds = ptr.To[int32](86400) }))
	s.settle()
	if sum := s.summary("ra"); sum.Phase != v1alpha1.PhaseFailed || sum.Reason != v1alpha1.ReasonNodeNotBack {
		t.Errorf("phase %s, reason %s: the phase and the reason say different things", sum.Phase, sum.Reason)
	}
}

func TestSecondBootWhileRecoveringHasToBeProvedAgain(t *testing.T) {
	s := attemptIn(t, stageSettling)
	s.advance(30 * time.Second)
	s.boot("a", 3)
	s.settle()
	want := summary{Phase: v1alpha1.PhaseRecovering, Reason: v1alpha1.ReasonNodeNotReady, Cordoned: true, Tainted: true}
	if diff := cmp.Diff(want, s.summary("ra")); diff != "" {
		t.Errorf("NodeReboot (-want +got):\n%s", diff)
	}
	if got := s.reboot("ra").Status.After.BootID; got != bootOf("a", 3) {
		t.Errorf("the boot after is %s", got)
	}
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	s.advance(time.Minute)
	if got := s.reboot("ra").Status.Phase; got != v1alpha1.PhaseSucceeded {
		t.Errorf("phase %s after the second boot recovered", got)
	}
}

func TestNodeThatBootsAgainAndAgainRunsOutOfTime(t *testing.T) {
	s := attemptIn(t, stageBack)
	for i := range 10 {
		s.boot("a", 3+i)
		s.settle()
		s.advance(5 * time.Minute)
	}
	if sum := s.summary("ra"); sum.Phase != v1alpha1.PhaseFailed || sum.Reason != v1alpha1.ReasonRecoveryTimedOut {
		t.Errorf("phase %s, reason %s after 50 minutes of boots", sum.Phase, sum.Reason)
	}
}

func TestAHostHasItsTimeToRebootAlsoWhenItsPolicyIsGone(t *testing.T) {
	for _, ready := range []bool{false, true} {
		s := attemptIn(t, stageRebooting, closesIn(150)) // the order is good for half a minute
		s.node("a").Ready = ready
		s.removePolicies()
		s.settle()
		s.advance(10 * time.Minute)
		if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonRebooting {
			t.Errorf("Ready %t: %s %q", ready, got.Reason, got.Message)
		}
	}
}
