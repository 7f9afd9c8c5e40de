package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

func TestNodesThatMayRunEtcdNeverGoTwoAtATime(t *testing.T) {
	for name, tc := range map[string]struct {
		label  string
		named  []string
		policy []policyOption
		want   string
	}{
		"by the label of the control plane":        {label: v1alpha1.ControlPlaneLabel, want: "a"},
		"by its former label":                      {label: "node-role.kubernetes.io/master", want: "a"},
		"by the label of nodes for etcd only":      {label: "node-role.kubernetes.io/etcd", want: "a"},
		"by a label that an administrator named":   {label: "example.com/etcd", named: []string{"example.com/etcd"}, want: "a"},
		"and others as the policy says":            {label: "example.com/etcd", want: "a b c"},
		"also if a policy takes all zones at once": {label: "node-role.kubernetes.io/etcd", policy: []policyOption{anyOrder()}, want: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p", append(tc.policy, maxUnavailable("3"))...))...)
			s.QuorumLabels = tc.named
			for i := range s.Nodes {
				s.Nodes[i].Labels[tc.label] = "true"
			}
			s.settle()
			if got := s.underWay(); got != tc.want {
				t.Errorf("under way %q, want %q", got, tc.want)
			}
		})
	}
}

func TestQuorumHoldsAcrossPolicies(t *testing.T) {
	s := twoPools(t, nil, nil)
	for i := range s.Nodes {
		controlPlane(s.Nodes[i])
	}
	s.settle()
	if got := s.underWay(); got != "blue1" {
		t.Fatalf("under way %q", got)
	}
	want := "Control-plane node blue1 of RebootPolicy p is under way, and two of them are never down at once."
	if got := s.reboot("rgreen1").Status.Message; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

// controlPlaneFleet has the node of an attempt, and two others that run etcd.
func controlPlaneFleet(s *story) {
	controlPlane(s.node("a"))
	for _, name := range []string{"b", "c"} {
		s.Nodes = append(s.Nodes, newNode(name, "z1", controlPlane))
		s.Pods[name] = []Pod{staticPod("etcd-"+name, start.Add(-time.Hour))}
	}
}

func TestANodeThatMayRunEtcdWaitsForTheOthersBeforeItsDrainAndBeforeItsReboot(t *testing.T) {
	down := map[string]func(*story){
		"is not Ready":                         func(s *story) { s.node("b").Ready = false },
		"has a static pod that is not Ready":   func(s *story) { s.Pods["b"][0].Ready = false },
		"has a static pod that is terminating": func(s *story) { s.Pods["b"][0].Terminating = true },
		"has a NodeReboot that cannot be read": func(s *story) { s.Reboots = append(s.Reboots, newReboot("rb", "b", attemptUnreadable)) },
	}
	back := func(s *story) {
		s.Reboots = slices.DeleteFunc(s.Reboots, func(r *v1alpha1.NodeReboot) bool { return r.Name == "rb" })
		s.node("b").Ready = true
		s.Pods["b"][0].Ready, s.Pods["b"][0].Terminating = true, false
	}
	for name, goDown := range down {
		for _, stage := range []stage{stageCordoned, stageDrained} {
			t.Run(stage.String()+" when another one "+name, func(t *testing.T) {
				s := preparedAttemptIn(t, stage, controlPlaneFleet, maxUnavailable("9"))
				goDown(s)
				s.settle()
				s.advance(time.Minute)
				status := s.reboot("ra").Status
				if status.Reason != v1alpha1.ReasonControlPlaneNotReady || !strings.Contains(status.Message, "Control-plane node b") {
					t.Errorf("%s %q", status.Reason, status.Message)
				}
				if o := status.Order; o != nil && o.Action == v1alpha1.ActionReboot || stage == stageCordoned && o != nil {
					t.Errorf("order %v", o)
				}
				back(s)
				s.settle()
				if o := s.reboot("ra").Status.Order; o == nil {
					t.Errorf("no order when the other one is back: %s", s.reboot("ra").Status.Message)
				}
			})
		}
	}
}

func TestANodeThatMayRunEtcdDoesNotWaitFor(t *testing.T) {
	notReady := func(pod Pod) Pod { pod.Ready = false; return pod }
	for name, event := range map[string]func(*story){
		"a static pod that finished": func(s *story) { s.Pods["b"][0].Ready, s.Pods["b"][0].Finished = false, true },
		"another pod of such a node": func(s *story) { s.Pods["b"] = append(s.Pods["b"], notReady(readyPod("web-2", start))) },
		"a static pod of another node": func(s *story) {
			s.Nodes = append(s.Nodes, newNode("worker", "z1"))
			s.Pods["worker"] = []Pod{notReady(staticPod("proxy", start))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := preparedAttemptIn(t, stageCordoned, controlPlaneFleet)
			event(s)
			s.settle()
			s.advance(time.Minute)
			if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonDraining {
				t.Errorf("%s %q", got.Reason, got.Message)
			}
		})
	}
}

func TestANodeThatMayRunEtcdWaitsUntilThePodsOfTheOthersAreKnown(t *testing.T) {
	s := preparedAttemptIn(t, stageCordoned, controlPlaneFleet)
	delete(s.Pods, "b")
	s.settle()
	s.advance(time.Minute)
	if status := s.reboot("ra").Status; status.Reason != v1alpha1.ReasonControlPlaneNotReady || status.Order != nil {
		t.Errorf("%s %q", status.Reason, status.Message)
	}
	if p := s.compute(); !slices.Contains(p.NeedPods, "b") {
		t.Errorf("the plan asks for the pods of %v", p.NeedPods)
	}
}

func TestANodeIsNotProvedWhileItsStaticPodsAreDown(t *testing.T) {
	s := etcdStaysDown(t)
	s.settle()
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonStaticPodsNotReady || got.Attempt.UncordonedTime != nil {
		t.Fatalf("%s %q", got.Reason, got.Message)
	}
	s.Pods["a"] = s.Pods["a"][1:] // the kubelet makes its mirror pod again
	s.settle()
	if got := s.reboot("ra").Status.Reason; got != v1alpha1.ReasonStaticPodsNotReady {
		t.Fatalf("reason %s of a static pod that is not there", got)
	}
	s.Pods["a"] = append(s.Pods["a"], staticPod("etcd-a", s.now))
	s.settle()
	s.advance(time.Minute)
	if got := s.reboot("ra").Status.Phase; got != v1alpha1.PhaseSucceeded {
		t.Errorf("phase %s when etcd is back", got)
	}
}

func TestAStaticPodThatWasNotReadyBeforeIsNotWaitedFor(t *testing.T) {
	s := preparedAttemptIn(t, stageBack, func(s *story) {
		pod := staticPod("broken-a", start.Add(-time.Hour))
		pod.Ready = false
		s.Pods["a"] = append([]Pod{pod}, s.Pods["a"]...)
	})
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.Pods["a"][0].Ready = false
	s.settle()
	s.advance(time.Minute)
	if got := s.reboot("ra").Status; got.Phase != v1alpha1.PhaseSucceeded {
		t.Errorf("%s %s %q", got.Phase, got.Reason, got.Message)
	}
}

func TestAHelperHasItsTimeAlsoAfterALongWaitForTheQuorum(t *testing.T) {
	s := preparedAttemptIn(t, stageDrained, controlPlaneFleet)
	s.node("b").Ready = false
	s.settle()
	s.advance(time.Hour)
	a := s.node("a")
	a.HelperReady, a.HelperProblem, a.HelperSince = false, "its pod is not Ready", s.now
	s.node("b").Ready = true
	s.settle()
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonHelperNotReady {
		t.Errorf("%s %q", got.Reason, got.Message)
	}
	s.advance(15 * time.Minute)
	if got := s.reboot("ra").Status.Attempt; got.Result != v1alpha1.ReasonRebootFailed {
		t.Errorf("result %s when the time of the helper is over", got.Result)
	}
}

func TestANodeThatMayRunEtcdWaitsForAnotherThatHasNotRecoveredAlthoughBothAreUnderWay(t *testing.T) {
	settling := spec(func(s *v1alpha1.RebootPolicySpec) { s.Recovery.SettleSeconds = seconds32(600) })
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p", maxUnavailable("2"), settling))...)
	s.settle()
	s.tell("a")
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	for _, node := range []string{"a", "b"} {
		controlPlane(s.node(node)) // labeled during their attempts
	}
	s.answer("rb", v1alpha1.OrderDone, "")
	s.settle()
	want := "Control-plane node a of RebootPolicy p is rebooting, or has not recovered, and two of them are never down at once."
	if got := s.reboot("rb").Status; got.Message != want {
		t.Fatalf("%s %q, want %q", got.Reason, got.Message, want)
	}
	s.advance(10 * time.Minute)
	if got := s.reboot("rb").Status; got.Reason != v1alpha1.ReasonRebooting {
		t.Errorf("%s %q once it has", got.Reason, got.Message)
	}
}
