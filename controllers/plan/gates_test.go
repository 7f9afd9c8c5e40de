package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestWhatANodeRebootWaitsFor(t *testing.T) {
	cases := map[string]struct {
		objects []any
		cluster string
		want    string
		// wantMessage is part of the message; wantWake is when to look again.
		wantMessage string
		wantWake    time.Duration
	}{
		"no policy": {
			objects: []any{newPolicy("p", selecting("pool", "blue")), newNode("a", "z1"), newReboot("ra", "a")},
			want:    v1alpha1.ReasonNoPolicy, wantMessage: "No RebootPolicy selects node a",
		},
		"the label that keeps a node as it is": {
			objects:     []any{newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1", skippedNode), newReboot("ra", "a")},
			want:        v1alpha1.ReasonSkipped,
			wantMessage: "Node a has the label reboot-operator.io/skip: it is left alone until the label is removed.",
		},
		"an autoscaler that removes the node": {
			objects: []any{newPolicy("p"), newReboot("ra", "a"),
				newNode("a", "z1", tainted(corev1.Taint{
					Key: "ToBeDeletedByClusterAutoscaler", Value: "1764064800", Effect: corev1.TaintEffectNoSchedule,
				}))},
			want: v1alpha1.ReasonMarkedForDeletion, wantMessage: "about to remove node a: it has the taint ToBeDeletedByClusterAutoscaler.",
		},
		"Karpenter, which removes the node": {
			objects: []any{newPolicy("p"), newReboot("ra", "a"),
				newNode("a", "z1", tainted(corev1.Taint{Key: "karpenter.sh/disrupted", Effect: corev1.TaintEffectNoSchedule}))},
			want: v1alpha1.ReasonMarkedForDeletion, wantMessage: "it has the taint karpenter.sh/disrupted.",
		},
		"an older Karpenter, which removes the node": {
			objects: []any{newPolicy("p"), newReboot("ra", "a"),
				newNode("a", "z1", tainted(corev1.Taint{Key: "karpenter.sh/disruption", Value: "disrupting", Effect: corev1.TaintEffectNoSchedule}))},
			want: v1alpha1.ReasonMarkedForDeletion, wantMessage: "it has the taint karpenter.sh/disruption.",
		},
		"a node that is being deleted": {
			objects: []any{newPolicy("p"), newReboot("ra", "a"), newNode("a", "z1", func(n *Node) { n.Deleting = true })},
			want:    v1alpha1.ReasonMarkedForDeletion, wantMessage: "Node a is being deleted.",
		},
		"another tool that maintains the node": {
			objects: []any{newPolicy("p"), newReboot("ra", "a"), newNode("a", "z1", maintainedUntil(time.Hour))},
			want:    v1alpha1.ReasonForeignMaintenance, wantWake: time.Hour,
			wantMessage: "Node a is maintained by someone else: Lease medik8s-leases/node-a is held by nmo.",
		},
		"an approval": {
			objects: []any{newPolicy("p", approvalRequired()), newNode("a", "z1"), newReboot("ra", "a")},
			want:    v1alpha1.ReasonAwaitingApproval,
			wantMessage: "RebootPolicy p requires an approval. To approve it: kubectl patch nodereboot ra --type=merge " +
				`-p '{"spec":{"approval":"Given"}}'`,
		},
		"an invalid policy": {
			objects: []any{newPolicy("p", maxUnavailable("some")), newNode("a", "z1"), newReboot("ra", "a")},
			want:    v1alpha1.ReasonPolicyInvalid, wantMessage: "RebootPolicy p cannot be used: rollout.maxUnavailable:",
		},
		"a paused policy": {
			objects: []any{newPolicy("p", mode(v1alpha1.ModePaused)), newNode("a", "z1"), newReboot("ra", "a")},
			want:    v1alpha1.ReasonPaused, wantMessage: "RebootPolicy p is paused.",
		},
		"a policy that observes": {
			objects: []any{newPolicy("p", mode(v1alpha1.ModeObserve)), newNode("a", "z1"), newReboot("ra", "a")},
			want:    v1alpha1.ReasonObserving, wantMessage: "Would start now; RebootPolicy p only observes.",
		},
		"a node that failed to reboot": {
			objects: []any{newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"),
				newReboot("rb", "b", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, -time.Hour))},
			want: v1alpha1.ReasonHalted, wantMessage: "RebootPolicy p is halted: NodeReboot rb (RebootNotObserved).",
		},
		"another NodeReboot of the node": {
			objects: []any{newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"), newReboot("older", "a", requiredFor(2*time.Hour), manual)},
			want:    v1alpha1.ReasonSameNode, wantMessage: "NodeReboot older of the same node goes first",
		},
		"the back-off": {
			objects: []any{newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a", failedBefore(2, -5*time.Minute))},
			want:    v1alpha1.ReasonBackingOff, wantWake: 15 * time.Minute,
			wantMessage: "Attempt 2 failed (DrainTimedOut); the next one waits until 2026-03-02 12:15 +00:00 (in 15m, as of 12:00). " +
				"The drain took too long.",
		},
		"the least interval between two reboots": {
			objects: []any{newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"),
				newReboot("before", "a", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -20*time.Minute))},
			want: v1alpha1.ReasonMinInterval, wantWake: 39 * time.Minute,
			wantMessage: "Node a was rebooted at 2026-03-02 11:39 +00:00; it may reboot again at 2026-03-02 12:39 +00:00 (in 39m, as of 12:00).",
		},
		"a node that is not Ready": {
			objects: []any{newPolicy("p"), newNode("a", "z1", notReady), newReboot("ra", "a")},
			want:    v1alpha1.ReasonNodeNotReady, wantMessage: "Node a is not Ready.",
		},
		"a node without a boot ID": {
			objects: []any{newPolicy("p"), newNode("a", "z1", func(n *Node) { n.BootID = "" }), newReboot("ra", "a")},
			want:    v1alpha1.ReasonNodeNotReady, wantMessage: "could not be proved",
		},
		"a helper": {
			objects: []any{newPolicy("p"), newNode("a", "z1", noHelper), newReboot("ra", "a")},
			want:    v1alpha1.ReasonHelperNotReady, wantMessage: "No helper pod on node a is Ready",
		},
		"another control-plane node that is down": {
			objects: []any{newPolicy("p", maxUnavailable("3")), newNode("a", "z1", controlPlane), newReboot("ra", "a"),
				newNode("b", "z2", controlPlane, notReady)},
			want:        v1alpha1.ReasonControlPlaneNotReady,
			wantMessage: "Control-plane node b of RebootPolicy p is not Ready, and two of them are never down at once.",
		},
		"the other nodes' turn": {
			objects: []any{newPolicy("p", maxUnavailable("3")), newNode("a", "z1", controlPlane), newReboot("ra", "a"),
				newNode("b", "z1"), newReboot("rb", "b")},
			want: v1alpha1.ReasonControlPlaneTurn, wantMessage: "Worker nodes go first.",
		},
		"the control plane's turn": {
			objects: []any{
				newPolicy("p", maxUnavailable("3"), spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.ControlPlane = v1alpha1.ControlPlaneFirst })),
				newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1", controlPlane), newReboot("rb", "b"),
			},
			want: v1alpha1.ReasonControlPlaneTurn, wantMessage: "Control-plane nodes go first.",
		},
		"another zone's turn": {
			objects: []any{newPolicy("p", maxUnavailable("3")), newNode("a", "z2"), newReboot("ra", "a"), newNode("b", "z1"), newReboot("rb", "b")},
			want:    v1alpha1.ReasonZoneBusy, wantMessage: "Zones go one at a time, and zone z1 has its turn.",
		},
		"the soak of the last zone": {
			objects: []any{newPolicy("p", soak(1200)), newNode("a", "z2"), newReboot("ra", "a"), newNode("b", "z1"),
				newReboot("rb", "b", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -10*time.Minute))},
			want: v1alpha1.ReasonZoneSoaking, wantWake: 10 * time.Minute,
			wantMessage: "Zone z1 was finished and is watched until 2026-03-02 12:10 +00:00 (in 10m, as of 12:00).",
		},
		"the limit of the zone": {
			objects: []any{
				newPolicy("p", maxUnavailable("3"), anyOrder(), spec(func(s *v1alpha1.RebootPolicySpec) {
					s.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.FromInt32(1))
				})),
				newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1", cordonedByHand), newNode("c", "z2", cordonedByHand),
			},
			want: v1alpha1.ReasonZoneBudgetExhausted, wantMessage: "No more than 1 node of zone z1 may be unavailable.",
		},
		"the limit of the policy": {
			objects: []any{newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1", cordonedByHand),
				newNode("c", "z2", notReady)},
			want: v1alpha1.ReasonBudgetExhausted,
			wantMessage: "RebootPolicy p allows 1 unavailable node, and at least 1 is unavailable now. " +
				"Unavailable: b (cordoned), c (not Ready).",
		},
		"the limit of the cluster": {
			objects: []any{newPolicy("p", maxUnavailable("3")), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1", notReady)},
			cluster: "1", want: v1alpha1.ReasonClusterBudgetExhausted,
			wantMessage: "The cluster-wide limit allows 1 unavailable node, and at least 1 is unavailable now. " +
				"Unavailable: b of RebootPolicy p (not Ready).",
		},
		"a node that was never there": {
			objects: []any{newPolicy("p"), newReboot("ra", "a", noReport, requiredFor(0))},
			want:    v1alpha1.ReasonNodeNotFound, wantMessage: "There is no Node a", wantWake: 30 * time.Second,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, tc.objects...)
			if tc.cluster != "" {
				s.ClusterMaxUnavailable = ptr.To(intstr.Parse(tc.cluster))
			}
			p := s.pass()
			status := s.reboot("ra").Status
			if status.Phase != v1alpha1.PhasePending || status.Reason != tc.want || !strings.Contains(status.Message, tc.wantMessage) {
				t.Errorf("%s %s %q, want Pending %s %q", status.Phase, status.Reason, status.Message, tc.want, tc.wantMessage)
			}
			if tc.wantWake != 0 && !p.Wake.Equal(start.Add(tc.wantWake)) {
				t.Errorf("the next look is at %s, want %s", p.Wake, start.Add(tc.wantWake))
			}
		})
	}
}

// Several things may be in the way at once; the order of the gates says which of them is named.
func TestObstaclesAreToldInTheOrderOfTheGates(t *testing.T) {
	s := newStory(t,
		newPolicy("p", soak(3000), maxUnavailable("0"), approvalRequired(), spec(func(s *v1alpha1.RebootPolicySpec) {
			s.Nodes, s.Mode = v1alpha1.NodesSelected, v1alpha1.ModePaused
			s.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.FromInt32(0))
		})),
		newNode("a", "z2", controlPlane, notReady, noHelper, skippedNode, func(n *Node) { n.Deleting = true }, maintainedUntil(0)),
		newReboot("ra", "a", failedBefore(1, 0)), newReboot("other", "a", immediate, approved, manual),
		newReboot("before", "a", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -10*time.Minute)),
		newNode("failed", "z1"), newReboot("failed", "failed", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonRebootNotObserved, -time.Minute)),
		newNode("master", "z3", controlPlane, notReady),
		newNode("worker", "z2"), newReboot("worker", "worker", approved),
	)
	s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(0))
	edit := func(change func(*v1alpha1.RebootPolicySpec)) func() {
		return func() { s.editPolicy("p", spec(change)) }
	}
	remove := func(name string) func() {
		return func() {
			var rest []*v1alpha1.NodeReboot
			for _, r := range s.Reboots {
				if r.Name != name {
					rest = append(rest, r)
				}
			}
			s.Reboots = rest
		}
	}
	steps := []struct {
		want  string
		clear func()
	}{
		{v1alpha1.ReasonNoPolicy, edit(func(s *v1alpha1.RebootPolicySpec) {
			s.Nodes = v1alpha1.NodesAll
			s.Rollout.MaxUnavailable = ptr.To(intstr.FromString("some"))
		})},
		{v1alpha1.ReasonSkipped, func() { delete(s.node("a").Labels, v1alpha1.SkipLabel) }},
		{v1alpha1.ReasonPolicyInvalid, edit(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MaxUnavailable = ptr.To(intstr.FromInt32(0)) })},
		{v1alpha1.ReasonPaused, edit(func(s *v1alpha1.RebootPolicySpec) { s.Mode = v1alpha1.ModeEnforce })},
		{v1alpha1.ReasonHalted, edit(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxFailures = ptr.To(intstr.FromInt32(2)) })},
		{v1alpha1.ReasonSameNode, remove("other")},
		{v1alpha1.ReasonBackingOff, func() { s.reboot("ra").Status.Failures = nil }},
		{v1alpha1.ReasonMinInterval, edit(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MinIntervalSeconds = ptr.To[int32](0) })},
		{v1alpha1.ReasonNodeNotReady, func() { s.node("a").Ready = true }},
		{v1alpha1.ReasonHelperNotReady, func() { s.node("a").HelperReady = true }},
		{v1alpha1.ReasonMarkedForDeletion, func() { s.node("a").Deleting = false }},
		{v1alpha1.ReasonForeignMaintenance, func() { s.node("a").OtherMaintenance = nil }},
		{v1alpha1.ReasonAwaitingApproval, func() { approved(s.reboot("ra")) }},
		{v1alpha1.ReasonControlPlaneNotReady, func() { s.node("master").Ready = true }},
		{v1alpha1.ReasonControlPlaneTurn, remove("worker")},
		{v1alpha1.ReasonZoneSoaking, edit(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.SoakSeconds = ptr.To[int32](0) })},
		{v1alpha1.ReasonZoneBudgetExhausted, edit(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.Zones.MaxUnavailablePerZone = nil })},
		{v1alpha1.ReasonBudgetExhausted, edit(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.MaxUnavailable = ptr.To(intstr.FromInt32(1)) })},
		{v1alpha1.ReasonClusterBudgetExhausted, func() { s.ClusterMaxUnavailable = nil }},
		{v1alpha1.ReasonDraining, func() {}},
	}
	for _, step := range steps {
		s.settle()
		if got := s.reboot("ra").Status.Reason; got != step.want {
			t.Fatalf("reason %s, want %s (%s)", got, step.want, s.reboot("ra").Status.Message)
		}
		step.clear()
	}
}

func TestUrgentNodeRebootsGoFirst(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newNode("b", "z1"), newNode("c", "z2"),
		newReboot("ra", "a", requiredFor(3*time.Hour)), newReboot("rb", "b", immediate),
		newReboot("rc", "c", immediate, requiredFor(9*time.Hour)))
	s.settle()
	wantReasons := map[string]string{"ra": v1alpha1.ReasonBudgetExhausted, "rb": v1alpha1.ReasonDraining, "rc": v1alpha1.ReasonZoneBusy}
	if diff := cmp.Diff(wantReasons, s.reasons()); diff != "" {
		t.Errorf("reasons: an urgent one goes first where it has its turn (-want +got):\n%s", diff)
	}
}

func TestThoseThatWaitedLongestGoFirstAndThenByName(t *testing.T) {
	s := newStory(t, newPolicy("p", maxUnavailable("2")), newNode("a", "z1"), newNode("b", "z1"), newNode("c", "z1"),
		newReboot("ra", "a"), newReboot("rb", "b"), newReboot("rc", "c", requiredFor(2*time.Hour)))
	s.settle()
	wantReasons := map[string]string{"ra": v1alpha1.ReasonDraining, "rb": v1alpha1.ReasonBudgetExhausted, "rc": v1alpha1.ReasonDraining}
	if diff := cmp.Diff(wantReasons, s.reasons()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

// reasons of all NodeReboots, by name.
func (s *story) reasons() map[string]string {
	reasons := map[string]string{}
	for _, r := range s.Reboots {
		reasons[r.Name] = r.Status.Reason
	}
	return reasons
}

func TestOneRebootSatisfiesAllNodeRebootsOfANode(t *testing.T) {
	s := attemptIn(t, stageDraining)
	s.Reboots = append(s.Reboots, newReboot("by-hand", "a", manual))
	s.settle()
	if got := s.reboot("by-hand").Status.Reason; got != v1alpha1.ReasonSameNode {
		t.Errorf("reason %s while the other is under way", got)
	}
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.advance(time.Minute)
	powerLost(s)
	s.settle()
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	s.advance(time.Minute)
	wantReasons := map[string]string{"ra": v1alpha1.ReasonProved, "by-hand": v1alpha1.ReasonRebootedMeanwhile}
	if diff := cmp.Diff(wantReasons, s.reasons()); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestHaltEndsWhenTheNodesSucceedOrAreDeleted(t *testing.T) {
	failed := func(options ...rebootOption) *v1alpha1.NodeReboot {
		ended := finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonSentinelStillPresent, -2*time.Hour)
		return newReboot("rb", "b", append([]rebootOption{ended}, options...)...)
	}
	proved := func(name string, sinceStart time.Duration) *v1alpha1.NodeReboot {
		return newReboot(name, "b", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, sinceStart))
	}
	cases := map[string]struct {
		objects []any
		want    string
	}{
		"a failed one halts": {objects: []any{newPolicy("p"), failed()}, want: v1alpha1.ReasonHalted},
		"a failed one of another kind does not": {
			objects: []any{newPolicy("p"), newReboot("rb", "b", finished(v1alpha1.OutcomeFailed, v1alpha1.ReasonDrainTimedOut, -time.Hour))},
			want:    v1alpha1.ReasonDraining,
		},
		"one that is being deleted does not": {objects: []any{newPolicy("p"), failed(deletedAt(-time.Minute))}, want: v1alpha1.ReasonDraining},
		"one whose node succeeded since does not": {
			objects: []any{newPolicy("p"), failed(), proved("later", -time.Hour)},
			want:    v1alpha1.ReasonDraining,
		},
		"one whose node succeeded only before does": {
			objects: []any{newPolicy("p"), failed(), proved("sooner", -3*time.Hour)},
			want:    v1alpha1.ReasonHalted,
		},
		"one whose node was replaced by another of the same name does not": {
			objects: []any{newPolicy("p"), failed(func(r *v1alpha1.NodeReboot) { r.Status.NodeUID = "another" })}, want: v1alpha1.ReasonDraining,
		},
		"fewer than allowed do not": {
			objects: []any{newPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) {
				s.Failure.MaxFailures = ptr.To(intstr.FromInt32(2))
			})), failed()},
			want: v1alpha1.ReasonDraining,
		},
		"one of another policy does not": {
			objects: []any{newPolicy("p", selecting("kubernetes.io/hostname", "a")), newPolicy("q", selecting("kubernetes.io/hostname", "b")),
				failed()},
			want: v1alpha1.ReasonDraining,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(tc.objects, newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"))...)
			s.settle()
			if got := s.reboot("ra").Status.Reason; got != tc.want {
				t.Errorf("reason %s, want %s", got, tc.want)
			}
		})
	}
}
