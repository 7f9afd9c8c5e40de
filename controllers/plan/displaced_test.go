package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// neighbors are nodes a, b and c of one zone, each with a pod of the Deployment web, which has a fourth one elsewhere. All of a policy may
// go at once; c does not need a reboot yet.
func neighbors(t *testing.T) *story {
	t.Helper()
	s := newStory(t, append(fleet("a/z1 b/z1"), newNode("c", "z1"), newPolicy("p", maxUnavailable("3")))...)
	for _, node := range []string{"a", "b", "c"} {
		pod := readyPod("web-"+node, start.Add(-time.Hour), deployment("web"))
		pod.Controlled = true
		s.Pods[node] = []Pod{pod}
	}
	s.web(4)
	s.settle()
	if got := s.underWay(); got != "a b" {
		t.Fatalf("under way: %q", got)
	}
	return s
}

// web says how many pods of the Deployment web are ready.
func (s *story) web(ready int32) { s.Workloads[deployment("web")] = Workload{Ready: ready, Desired: 4} }

// evicted: the drain has taken the pods off a node, and is over if done.
func (s *story) evicted(node string, done bool) {
	s.Pods[node] = nil
	if s.settle(); done {
		s.answer("r"+node, v1alpha1.OrderDone, "")
		s.settle()
	}
}

// back: the host of a node has rebooted, and no pod was put there.
func (s *story) back(node string) {
	s.boot(node, 2)
	s.Pods[node] = nil
	s.comeBack("r"+node, v1alpha1.SentinelNotRequired)
	s.settle()
}

func (s *story) wantUnderWay(want, when string) {
	s.t.Helper()
	if got := s.underWay(); got != want {
		s.t.Errorf("%s: nodes %q are under way, want %q", when, got, want)
	}
}

func TestANodeWaitsForThePodsItDisplacedAndNotForItsNeighbors(t *testing.T) {
	s := neighbors(t)
	s.evicted("a", true)
	s.web(4) // what left a is ready elsewhere
	s.evicted("b", false)
	s.web(3)
	s.back("a")
	s.wantUnderWay("b", "one pod is missing, and the drain of b took one")
	if message := s.reboot("ra").Status.OutcomeMessage; !strings.Contains(message, "apart from pods that reboots of other nodes displaced") {
		t.Errorf("the proof of a says %q", message)
	}
	s.answer("rb", v1alpha1.OrderDone, "")
	s.settle()
	s.back("b")
	s.wantUnderWay("b", "the pod is still missing, and no other node answers for it")
	s.web(4)
	s.settle()
	s.wantUnderWay("", "all pods are back")
}

func TestANodeWaitsForWhatItsNeighborsCannotHaveDisplaced(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(*story)
	}{
		"more is missing than the other drain took": {happens: func(s *story) {
			s.evicted("b", true)
			s.web(2)
		}},
		"the other drain has taken nothing yet": {happens: func(s *story) { s.web(3) }},
		"the pod on the other node is still going": {happens: func(s *story) {
			s.Pods["b"][0].Terminating, s.Pods["b"][0].Ready = true, false
			s.web(3)
		}},
		"the pods of the other node are not known": {happens: func(s *story) {
			delete(s.Pods, "b")
			s.web(3)
		}},
		"nobody waits for what the other drain took": {
			happens: func(s *story) {
				s.evicted("b", true)
				s.reboot("rb").Status.Workloads = nil
				s.web(3)
			},
		},
		"the workload's controller has not seen its spec": {happens: func(s *story) {
			s.evicted("b", true)
			s.Workloads[deployment("web")] = Workload{Ready: 3, Desired: 4, Stale: true}
		}},
		"the other node waits until fewer are ready": {happens: func(s *story) {
			s.evicted("b", true)
			s.reboot("rb").Status.Workloads[0].Ready = 3
			s.web(3)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := neighbors(t)
			s.evicted("a", true)
			tc.happens(s)
			s.boot("a", 2)
			s.Pods["a"] = nil
			s.comeBack("ra", v1alpha1.SentinelNotRequired)
			s.settle()
			s.wantUnderWay("a b", "a pod that left a may be missing")
			s.web(4)
			s.settle()
			s.wantUnderWay("b", "all pods are ready")
		})
	}
}

func TestOfTwoNodesThatMissOnePodOneWaitsForIt(t *testing.T) {
	s := neighbors(t)
	s.evicted("a", true)
	s.evicted("b", true)
	s.web(2)
	s.back("a")
	s.back("b")
	s.wantUnderWay("a b", "two pods are missing")
	s.web(3)
	s.settle()
	if got := s.underWay(); got != "a" && got != "b" {
		t.Fatalf("one pod is missing: nodes %q are under way, want one of them", got)
	}
	s.web(4)
	s.settle()
	s.wantUnderWay("", "none is missing")
}

// A node also waits for the pods that are missing when it starts, so that they are not forgotten when the nodes that displaced them are
// done.
func TestANodeThatStartsWhilePodsAreMissingAnswersForThemToo(t *testing.T) {
	s := neighbors(t)
	s.evicted("a", true)
	s.evicted("b", true)
	s.web(2)
	s.back("a")
	s.Reboots = append(s.Reboots, newReboot("rc", "c"))
	s.settle()
	s.wantUnderWay("a b c", "c starts")
	s.evicted("c", true)
	s.web(2) // one of those that left before is ready, and the one that left c is not
	s.settle()
	s.wantUnderWay("b c", "the others took two pods")
	s.web(3)
	s.back("b")
	s.wantUnderWay("c", "the last one took one")
	s.back("c")
	s.wantUnderWay("c", "three are ready; before all of it there were four")
	s.web(4)
	s.settle()
	s.wantUnderWay("", "all are ready")
}

func TestAnAttemptWhosePolicyIsGoneAnswersForItsPods(t *testing.T) {
	green, blue := labeled("pool", "green"), labeled("pool", "blue")
	s := newStory(t, newNode("a", "z1", green), newReboot("ra", "a"), newNode("b", "z1", blue), newReboot("rb", "b"),
		newPolicy("p", selecting("pool", "green")), newPolicy("q", selecting("pool", "blue")))
	for _, node := range []string{"a", "b"} {
		pod := readyPod("web-"+node, start.Add(-time.Hour), deployment("web"))
		pod.Controlled = true
		s.Pods[node] = []Pod{pod}
	}
	s.web(4)
	s.settle()
	s.wantUnderWay("a b", "each policy starts one")
	s.evicted("a", true)
	s.evicted("b", true)
	s.Policies = slices.DeleteFunc(s.Policies, func(policy *v1alpha1.RebootPolicy) bool { return policy.Name == "q" })
	s.web(3)
	s.back("a")
	s.wantUnderWay("b", "one pod is missing, and b answers for it")
}

func TestAPolicyThatDoesNotWaitForWorkloadsAnswersForNone(t *testing.T) {
	blue := selecting("pool", "blue")
	s := newStory(t, newNode("a", "z1", labeled("pool", "green")), newReboot("ra", "a"), newNode("b", "z1", labeled("pool", "blue")),
		newReboot("rb", "b"), newPolicy("p"), newPolicy("ignores", blue, priority(1),
			spec(func(s *v1alpha1.RebootPolicySpec) { s.Recovery.Workloads = v1alpha1.Ignore })))
	for _, node := range []string{"a", "b"} {
		s.Pods[node] = []Pod{readyPod("web-"+node, start.Add(-time.Hour), deployment("web"))}
	}
	s.web(4)
	s.settle()
	s.wantUnderWay("a b", "both policies start one")
	s.evicted("a", true)
	s.evicted("b", true)
	s.web(3)
	s.back("a")
	s.wantUnderWay("a b", "the other policy waits for no pod")
}
