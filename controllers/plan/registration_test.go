package plan

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// deleteNode is what a cloud provider does to the Node of a machine that is down.
func (s *story) deleteNode(name string) *Node {
	s.t.Helper()
	for i := range s.Nodes {
		if s.Nodes[i].Name == name {
			gone := s.Nodes[i]
			s.Nodes = append(s.Nodes[:i:i], s.Nodes[i+1:]...)
			return gone
		}
	}
	s.t.Fatalf("there is no Node %s", name)
	return nil
}

// register is what a kubelet does after its boot.
func (s *story) register(node string, boot int) {
	n := newNode(node, "z1", func(n *Node) {
		n.UID, n.BootID, n.Ready, n.HelperReady = "uid-of-another-"+node, bootOf(node, boot), false, false
	})
	s.Nodes = append(s.Nodes, n)
}

// lostNode is a host that was ordered to reboot and whose Node was deleted then; node b needs a reboot as well.
func lostNode(t *testing.T, options ...policyOption) *story {
	t.Helper()
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", options...))...)
	s.settle()
	s.tell("a")
	s.deleteNode("a")
	s.settle()
	return s
}

func TestAHostCountsUntilItIsBackAlthoughItsNodeIsDeleted(t *testing.T) {
	s := lostNode(t)
	if got := s.underWay(); got != "a" {
		t.Fatalf("under way %q", got)
	}
	if got := s.policy("p").Status.Unavailable; got != 1 {
		t.Errorf("%d unavailable", got)
	}
	s.advance(5 * time.Minute)
	s.register("a", 2)
	s.settle()
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	if got := s.reboot("ra").Status; got.Phase != v1alpha1.PhaseSucceeded || got.Attempt.NodeGoneTime != nil {
		t.Errorf("%s %q", got.Reason, got.Message)
	}
	if got := s.underWay(); got != "b" {
		t.Errorf("under way %q", got)
	}
}

func TestANodeThatIsRegisteredAgainInTheOldBootIsStillWaitedFor(t *testing.T) {
	s := lostNode(t)
	s.register("a", 1)
	s.settle()
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonRebooting || s.underWay() != "a" {
		t.Errorf("%s %q, under way %q", got.Reason, got.Message, s.underWay())
	}
}

func TestALostNodeHaltsThePolicyAndRecovers(t *testing.T) {
	s := lostNode(t)
	s.advance(15 * time.Minute)
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonNodeNotBack || s.reboot("rb").Status.Reason != v1alpha1.ReasonHalted {
		t.Fatalf("a: %s, b: %s", got, s.reboot("rb").Status.Reason)
	}
	s.advance(24 * time.Hour)
	s.register("a", 2)
	s.settle()
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	if got := s.reboot("ra").Status.Phase; got != v1alpha1.PhaseSucceeded || s.underWay() != "b" {
		t.Errorf("phase %s, under way %q", got, s.underWay())
	}
}

func TestANodeThatIsDeletedAfterItStalledIsLost(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
	s.settle()
	s.tell("a")
	s.boot("a", 2)
	s.settle()
	s.advance(31 * time.Minute) // it does not become Ready
	s.deleteNode("a")
	s.settle()
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonNodeNotBack || got.Attempt.Result != v1alpha1.ReasonNodeNotBack {
		t.Errorf("%s (%s) %q", got.Reason, got.Attempt.Result, got.Message)
	}
	s.delete("ra")
	s.settle()
	if s.reboot("ra") != nil {
		t.Errorf("under way %q after a person gave it up", s.underWay())
	}
}

func TestALostNodeIsGivenUp(t *testing.T) {
	for name, tc := range map[string]struct {
		options []policyOption
		event   func(*story)
		outcome v1alpha1.Outcome
	}{
		"by a person": {event: func(s *story) { s.delete("ra") }},
		"after the time that the policy sets": {
			options: []policyOption{spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.NodeGoneTimeoutSeconds = ptr.To[int32](3600) })},
			event:   func(s *story) { s.advance(time.Hour) }, outcome: v1alpha1.OutcomeFailed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := lostNode(t, tc.options...)
			s.advance(20 * time.Minute)
			tc.event(s)
			s.settle()
			if r := s.reboot("ra"); r != nil && (r.Status.Outcome != tc.outcome || r.Status.OutcomeReason != v1alpha1.ReasonNodeGone) {
				t.Errorf("%s %q", r.Status.OutcomeReason, r.Status.OutcomeMessage)
			}
			if got := s.underWay(); got != "b" {
				t.Errorf("under way %q", got)
			}
		})
	}
}

func TestANodeThatAnAutoscalerRemovesFreesItsSlot(t *testing.T) {
	for name, mark := range map[string]func(*Node){
		"by a taint":     tainted(taintOf("ToBeDeletedByClusterAutoscaler")),
		"by Karpenter":   tainted(taintOf("karpenter.sh/disrupted")),
		"by deleting it": func(n *Node) { n.Deleting = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
			s.settle()
			s.tell("a")
			mark(s.node("a"))
			s.settle()
			s.deleteNode("a")
			s.settle()
			if got := s.reboot("ra").Status; got.OutcomeReason != v1alpha1.ReasonNodeGone || s.underWay() != "b" {
				t.Errorf("%s %q, under way %q", got.OutcomeReason, got.OutcomeMessage, s.underWay())
			}
		})
	}
}

func TestALostNodeThatMayRunEtcdCountsForTheQuorum(t *testing.T) {
	s := newStory(t, append(fleet("+a/z1 +b/z1"), newPolicy("p", maxUnavailable("9")))...)
	s.settle()
	s.tell("a")
	s.deleteNode("a")
	s.settle()
	if got := s.underWay(); got != "a" || s.reboot("rb").Status.Reason != v1alpha1.ReasonControlPlaneNotReady {
		t.Errorf("under way %q, b: %s", got, s.reboot("rb").Status.Reason)
	}
}

func TestANodeThatMayRunEtcdCountsForTheQuorumAlsoWhenItRegistersAgainWithoutItsLabel(t *testing.T) {
	s := newStory(t, append(fleet("+a/z1 +b/z1"), newPolicy("p", maxUnavailable("9"), controlPlaneFirst()))...)
	s.settle()
	s.tell("a")
	s.deleteNode("a")
	s.settle()
	s.register("a", 2)
	s.settle()
	if got := s.underWay(); got != "a" || s.reboot("rb").Status.Reason != v1alpha1.ReasonControlPlaneNotReady {
		t.Errorf("under way %q, b: %s", got, s.reboot("rb").Status.Reason)
	}
}

func TestASoakSurvivesItsNode(t *testing.T) {
	for name, leave := range map[string]func(*story){
		"that is deleted":        func(s *story) { s.deleteNode("a") },
		"that leaves the policy": func(s *story) { s.node("a").Labels["pool"] = "other" },
	} {
		t.Run("of a zone, and one "+name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z2"), newPolicy("p", soak(3*86400), selecting("pool", "p")))...)
			for i := range s.Nodes {
				s.Nodes[i].Labels["pool"] = "p"
			}
			s.settle()
			s.prove("a")
			leave(s)
			s.settle()
			s.advance(2 * 24 * time.Hour)
			if got := s.reboot("rb").Status.Reason; got != v1alpha1.ReasonZoneSoaking {
				t.Fatalf("reason %s", got)
			}
			s.advance(24 * time.Hour)
			if got := s.underWay(); got != "b" {
				t.Errorf("under way %q", got)
			}
		})
		t.Run("of a canary, and one "+name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p", maxUnavailable("9"), canaryOf(1, 3*86400), selecting("pool", "p")))...)
			for i := range s.Nodes {
				s.Nodes[i].Labels["pool"] = "p"
			}
			s.settle()
			s.prove("a")
			leave(s)
			s.settle()
			s.advance(2 * 24 * time.Hour)
			if got := s.waits(v1alpha1.ReasonCanarySoaking); got != "b c" {
				t.Fatalf("%q soak, reasons %v", got, s.reasons())
			}
			s.advance(24 * time.Hour)
			if got := s.underWay(); got != "b c" {
				t.Errorf("under way %q", got)
			}
		})
	}
}

func taintOf(key string) corev1.Taint {
	return corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule}
}

func TestANodeThatIsNoLongerMarkedForDeletionIsWaitedFor(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
	s.settle()
	s.tell("a")
	tainted(taintOf("ToBeDeletedByClusterAutoscaler"))(s.node("a"))
	s.settle()
	s.node("a").Taints = nil
	s.settle()
	s.deleteNode("a")
	s.settle()
	if got := s.reboot("ra").Status; got.Attempt.MarkedForDeletionTime != nil || s.underWay() != "a" {
		t.Errorf("%s %q, under way %q", got.Reason, got.Message, s.underWay())
	}
}

func TestANodeThatIsDeletedWhileItRecoversHasTheTimeOfAReboot(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
	s.settle()
	s.tell("a")
	s.advance(14 * time.Minute)
	s.boot("a", 2)
	s.settle()
	s.advance(time.Minute)
	s.deleteNode("a")
	s.settle()
	s.advance(15*time.Minute - time.Second)
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonRebooting {
		t.Errorf("%s %q", got.Reason, got.Message)
	}
	s.advance(time.Second)
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonNodeNotBack {
		t.Errorf("%s %q", got.Reason, got.Message)
	}
}
