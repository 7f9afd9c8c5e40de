package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

const operatorNamespace = "reboot-operator-system"

// managerTolerations are those of config/manager.
var managerTolerations = []corev1.Toleration{
	{Key: v1alpha1.ControlPlaneLabel, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: v1alpha1.TaintKey, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
	{Key: v1alpha1.RebootingTaintKey, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
}

// managersOn has one manager pod on each of the nodes. On a node whose name begins with ! the pod is not Ready, and "" is a pod that waits
// for a node.
func (s *story) managersOn(nodes ...string) {
	s.askedLongAgo()
	s.Namespace, s.ManagerPods = operatorNamespace, nil
	for _, node := range nodes {
		name := strings.TrimPrefix(node, "!")
		s.ManagerPods = append(s.ManagerPods, model.ManagerPod{
			Node: name, Ready: name == node && name != "", Spec: corev1.PodSpec{Tolerations: managerTolerations},
		})
	}
}

// stays says whether the manager's pods stay on a node. The order says the same, and so do the taint and the cordon of the node.
func (s *story) stays(node string) bool {
	s.t.Helper()
	r, n := s.reboot("r"+node), s.node(node)
	if r.Status.Attempt == nil {
		return false
	}
	stays := r.Status.Attempt.Manager == v1alpha1.ManagerStays
	if order := r.Status.Order; order != nil && order.Action == v1alpha1.ActionDrain {
		if left := order.Drain.Leave.Namespace != ""; left != stays || stays != (order.Protocol == 2) {
			s.t.Errorf("the manager stays on node %s: %t, and the order to drain is %+v with %+v", node, stays, order, order.Drain)
		}
		if stays && (order.Drain.Leave.Namespace != operatorNamespace ||
			order.Drain.Leave.Selector.MatchLabels[v1alpha1.ComponentLabel] != v1alpha1.ManagerComponent) {
			s.t.Errorf("the order leaves %+v", order.Drain.Leave)
		}
	}
	if stays != hasTaint(n, v1alpha1.RebootingTaintKey) || n.Unschedulable == stays {
		s.t.Errorf("the manager stays on node %s: %t, and the node has taints %v and is cordoned: %t", node, stays, n.Taints, n.Unschedulable)
	}
	if n.CordonedFor != string(r.UID) {
		s.t.Errorf("node %s is cordoned for %q", node, n.CordonedFor)
	}
	return stays
}

func taintedNode(name string, taints ...corev1.Taint) *Node {
	n := newNode(name, "z1")
	n.Taints = taints
	return n
}

func TestTheManagerStaysWhereItHasNoOtherPlace(t *testing.T) {
	const never, atOnce, afterAMinute = "never", "at once", "after a minute"
	etcdOnly := corev1.Taint{Key: "CriticalAddonsOnly", Value: "true", Effect: corev1.TaintEffectNoExecute}
	controlPlaneOnly := corev1.Taint{Key: v1alpha1.ControlPlaneLabel, Effect: corev1.TaintEffectNoSchedule}
	for name, tc := range map[string]struct {
		others   []*Node
		managers []string
		change   func(*story)
		policy   []policyOption
		want     string
	}{
		"one node":              {managers: []string{"a", "a"}, want: atOnce},
		"one node, one replica": {managers: []string{"a"}, want: atOnce},
		"one node, of which one pod is not Ready":    {managers: []string{"a", "!a"}, want: atOnce},
		"one node, on which none is Ready":           {managers: []string{"!a", "!a"}, want: atOnce},
		"one node, and a pod that waits for another": {managers: []string{"a", ""}, want: atOnce},
		"no pods: it runs elsewhere":                 {want: never},

		"two nodes, one pod on each":            {others: []*Node{newNode("b", "z1")}, managers: []string{"a", "b"}, want: never},
		"two nodes, one replica":                {others: []*Node{newNode("b", "z1")}, managers: []string{"a"}, want: atOnce},
		"two nodes, one replica elsewhere":      {others: []*Node{newNode("b", "z1")}, managers: []string{"b"}, want: never},
		"two nodes, none on this one":           {others: []*Node{newNode("b", "z1")}, managers: []string{"b", "b"}, want: never},
		"two nodes, both pods on this one":      {others: []*Node{newNode("b", "z1")}, managers: []string{"a", "a"}, want: afterAMinute},
		"two nodes, the other pod is not Ready": {others: []*Node{newNode("b", "z1")}, managers: []string{"a", "!b"}, want: afterAMinute},
		"two nodes, no room on the other":       {others: []*Node{newNode("b", "z1")}, managers: []string{"a", ""}, want: afterAMinute},
		"the other node has a taint that it tolerates": {
			others: []*Node{taintedNode("b", controlPlaneOnly)}, managers: []string{"a", "a"}, want: afterAMinute,
		},
		"the other node has a taint that it does not tolerate": {
			others: []*Node{taintedNode("b", etcdOnly)}, managers: []string{"a", "a"}, want: atOnce,
		},
		"the other node is cordoned by someone": {
			others: []*Node{newNode("b", "z1", func(n *Node) { n.Unschedulable = true })}, managers: []string{"a", "a"},
			policy: []policyOption{maxUnavailable("2")}, want: atOnce,
		},
		"the other node is not Ready": {
			others: []*Node{newNode("b", "z1", notReady)}, managers: []string{"a", "a"}, policy: []policyOption{maxUnavailable("2")}, want: atOnce,
		},
		"the other node is not Ready, and the other pod seems to be": {
			others: []*Node{newNode("b", "z1", notReady)}, managers: []string{"a", "b"}, policy: []policyOption{maxUnavailable("2")}, want: atOnce,
		},
		"the other node is about to be removed": {
			others: []*Node{newNode("b", "z1", func(n *Node) { n.Deleting = true })}, managers: []string{"a", "a"}, want: atOnce,
		},
		"the pods select this node only": {
			others: []*Node{newNode("b", "z1")}, managers: []string{"a", "a"}, want: atOnce,
			change: func(s *story) {
				for i := range s.ManagerPods {
					s.ManagerPods[i].Spec.NodeSelector = map[string]string{"kubernetes.io/hostname": "a"}
				}
			},
		},
		"a drain that is skipped moves nothing": {
			others: []*Node{newNode("b", "z1")}, managers: []string{"a", "a"}, policy: []policyOption{drain(skipDrain)}, want: atOnce,
		},
		"a drain that is skipped, and another is Ready": {
			others: []*Node{newNode("b", "z1")}, managers: []string{"a", "b"}, policy: []policyOption{drain(skipDrain)}, want: never,
		},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []any{newPolicy("p", append([]policyOption{rebootDelay(3600)}, tc.policy...)...), newNode("a", "z1"), newReboot("ra", "a")}
			for _, other := range tc.others {
				objects = append(objects, other)
			}
			s := newStory(t, objects...)
			s.managersOn(tc.managers...)
			if tc.change != nil {
				tc.change(s)
			}
			s.settle()
			if s.underWay() != "a" {
				t.Fatalf("nodes %q are under way: %s", s.underWay(), s.reboot("ra").Status.Message)
			}
			if got := s.stays("a"); got != (tc.want == atOnce) {
				t.Errorf("it stays at once: %t", got)
			}
			s.advance(moveTime - time.Second)
			if got := s.stays("a"); got != (tc.want == atOnce) {
				t.Errorf("it stays before a minute has passed: %t", got)
			}
			s.advance(time.Second)
			if got := s.stays("a"); got != (tc.want != never) {
				t.Errorf("it stays after a minute: %t", got)
			}
		})
	}
}

const moveTime = time.Minute

func rebootDelay(seconds int32) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Reboot.DelaySeconds = &seconds })
}

func TestAnotherManagerThatBecomesReadyInTimeLetsTheDrainGoOn(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"))
	s.managersOn("a", "a")
	s.settle()
	s.managersOn("a", "!b")
	s.settle()
	s.managersOn("a", "b")
	s.settle()
	s.advance(5 * moveTime)
	if s.stays("a") {
		t.Error("the manager stays on a although it runs on b")
	}
}

func TestOneNodeIsRebootedWithItsManager(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
	s.managersOn("a", "a")
	agent := readyPod("agent-a", start.Add(-time.Hour), daemonSet("agent"))
	s.Pods["a"] = []Pod{managerPod("m-1"), managerPod("m-2"), agent}
	budget := WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: operatorNamespace, Name: "manager"}
	s.Workloads[budget] = Workload{Ready: 2, Desired: 1, Expected: 2, DisruptionsAllowed: 1}
	s.Workloads[managerDeployment] = Workload{Ready: 2, Desired: 2}
	s.settle()
	if got := s.summary("ra"); !s.stays("a") || got.Reason != v1alpha1.ReasonDraining {
		t.Fatalf("it is %+v: %s", got, s.reboot("ra").Status.Message)
	}
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	if got := s.summary("ra"); !s.stays("a") || got.Order != v1alpha1.ActionReboot {
		t.Fatalf("it is %+v: %s", got, s.reboot("ra").Status.Message)
	}
	// The host goes down with every manager, and takes long. The kubelet ended all pods, and a pod in place of another runs now.
	s.now = s.now.Add(20 * time.Minute)
	s.managersOn("a")
	s.boot("a", 2)
	s.Pods["a"] = []Pod{managerPod("m-3")}
	s.Pods["a"][0].Ready = false
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.Workloads[budget], s.Workloads[managerDeployment] = Workload{Ready: 1, Desired: 1, Expected: 2}, Workload{Ready: 1, Desired: 2}
	s.settle()
	n := s.node("a")
	if status := s.reboot("ra").Status; !n.Unschedulable || hasTaint(n, v1alpha1.RebootingTaintKey) || status.Failures != nil ||
		status.Reason != v1alpha1.ReasonDaemonSetsNotReady {
		t.Fatalf("%s: %s; cordoned %t, taints %v, failures %v: DaemonSets do not tolerate the taint, and their pods are missing",
			status.Reason, status.Message, n.Unschedulable, n.Taints, status.Failures)
	}
	agent.Containers = []string{"agent-again"}
	s.Pods["a"] = append(s.Pods["a"], agent)
	s.settle()
	if got := s.summary("ra"); got.Reason != v1alpha1.ReasonWorkloadsNotReady || got.Cordoned {
		t.Fatalf("it is %+v: %s", got, s.reboot("ra").Status.Message)
	}
	s.managersOn("a", "a")
	s.Workloads[budget] = Workload{Ready: 2, Desired: 1, Expected: 2, DisruptionsAllowed: 1}
	s.Workloads[managerDeployment] = Workload{Ready: 2, Desired: 2}
	s.settle()
	if got := s.summary("ra"); got.Phase != v1alpha1.PhaseSucceeded {
		t.Fatalf("it is %+v: %s", got, s.reboot("ra").Status.Message)
	}
	if n := s.node("a"); n.Unschedulable || n.CordonedFor != "" || len(n.Taints) > 0 {
		t.Errorf("the node is left with %v, cordoned: %t for %q", n.Taints, n.Unschedulable, n.CordonedFor)
	}
}

var managerDeployment = WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: operatorNamespace, Name: "manager"}

// managerPod is covered by the manager's budget.
func managerPod(name string) Pod {
	pod := readyPod(name, start.Add(-time.Hour), managerDeployment,
		WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: operatorNamespace, Name: "manager"})
	pod.Namespace, pod.Controlled = operatorNamespace, true
	pod.Labels = map[string]string{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}
	return pod
}

func TestWhateverEndsAnAttemptLeavesNoTaintForTheCordon(t *testing.T) {
	for name, end := range map[string]func(*story){
		"a pause":               paused,
		"a failed drain":        func(s *story) { s.answer("ra", v1alpha1.OrderFailed, "no") },
		"a deletion":            func(s *story) { s.delete("ra") },
		"a policy that is gone": func(s *story) { s.removePolicies() },
		"a label to skip":       func(s *story) { skippedNode(s.node("a")) },
		"a node that needs none": func(s *story) {
			s.boot("a", 2)
			s.comeBack("ra", v1alpha1.SentinelNotRequired)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
			foreign := corev1.Taint{Key: "example.com/dedicated", Effect: corev1.TaintEffectPreferNoSchedule}
			s.node("a").Taints = []corev1.Taint{foreign}
			s.managersOn("a", "a")
			s.settle()
			if !s.stays("a") {
				t.Fatal("the manager does not stay")
			}
			end(s)
			s.settle()
			s.advance(time.Minute)
			n := s.node("a")
			if hasTaint(n, v1alpha1.RebootingTaintKey) || n.Unschedulable || n.CordonedFor != "" || !slices.Contains(n.Taints, foreign) {
				t.Errorf("the node is left with %v, cordoned: %t for %q", n.Taints, n.Unschedulable, n.CordonedFor)
			}
		})
	}
}

func TestACrashAfterTheNodeWasTaintedForTheManagerIsNotTakenForAnUncordon(t *testing.T) {
	s := newStory(t, newPolicy("p", rebootDelay(60)), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"))
	s.managersOn("a", "a")
	s.settle()
	s.now = s.now.Add(moveTime)
	p := s.compute()
	for _, work := range p.Work { // The Node is written first.
		if work.Patch != nil {
			patched := *work.Patch
			s.node("a").Unschedulable, s.node("a").Taints = *patched.Unschedulable, patched.Taints
		}
	}
	s.settle()
	if got := s.summary("ra"); !s.stays("a") || got.Failures != 0 {
		t.Errorf("it is %+v", got)
	}
}

func TestANodeThatCannotBeTaintedIsCordonedForTheManager(t *testing.T) {
	patch := &NodePatch{SetTaints: true, Taints: []corev1.Taint{model.RebootingTaint}, Unschedulable: new(bool), CordonedFor: new(string)}
	*patch.CordonedFor = "uid-of-ra"
	var tried []model.Write
	written := patch.WriteInParts(func(part PatchPart) Written {
		tried = append(tried, part.Write)
		return WriteRefused
	})
	if written != WriteRefused || !slices.Equal(tried, []model.Write{model.WriteTaint}) {
		t.Errorf("%v was written after the taint was refused, and that is %v", tried, written)
	}

	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
	s.managersOn("a", "a")
	s.refuse(model.WriteTaint, "a", "no taints")
	s.settle()
	n := s.node("a")
	status := s.reboot("ra").Status
	if !n.Unschedulable || len(n.Taints) > 0 || status.Order == nil || status.Order.Drain.Leave.Namespace == "" {
		t.Errorf("cordoned: %t, taints %v, order %+v", n.Unschedulable, n.Taints, status.Order)
	}
}

func TestTwoNodesAreRebootedOneAfterTheOtherWhereverTheManagersAre(t *testing.T) {
	objects := append(fleet("a/z1 b/z1"), newPolicy("p"))
	s := newStory(t, objects...)
	s.LeaderNode = "b"
	s.managersOn("a", "b")
	s.settle()
	if s.underWay() != "a" || s.stays("a") {
		t.Fatalf("nodes %s are under way", s.underWay())
	}
	s.managersOn("b", "b") // evicted, and scheduled on the only other node
	s.prove("a")
	s.settle()
	if s.underWay() != "b" {
		t.Fatalf("nodes %s are under way", s.underWay())
	}
	s.managersOn("b", "a")
	s.settle()
	if s.stays("b") {
		t.Error("the manager stays on b although it runs on a")
	}
	s.managersOn("a", "a")
	s.prove("b")
}

func TestOnTheOnlyNodeNoPodIsEvictedInVain(t *testing.T) {
	webBudget := WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}
	const skip = " No other node takes pods now: to reboot node a with its pods, write drain.mode: Skip in RebootPolicy p."
	for name, tc := range map[string]struct {
		pods   int
		budget Workload
		others []any
		policy []policyOption
		want   string
	}{
		"a budget that allows one of two": {
			pods: 2, budget: Workload{Ready: 2, Desired: 1, Expected: 2, DisruptionsAllowed: 1},
			want: "PodDisruptionBudget apps/web allows 1 disruption, and 2 of its pods have to leave node a, the only node of the cluster." + skip,
		},
		"a budget that allows none": {
			pods: 1, budget: Workload{Ready: 1, Desired: 1, Expected: 1},
			want: "PodDisruptionBudget apps/web allows no disruption although its only pod is healthy, so pod web-1 on node a can never be " +
				"evicted: let the budget allow one, or add replicas." + skip,
		},
		"a budget that allows all":      {pods: 2, budget: Workload{Ready: 2, Expected: 2, DisruptionsAllowed: 2}},
		"a budget that waits for a pod": {pods: 2, budget: Workload{Ready: 2, Desired: 2, Expected: 3}},
		"another node that comes back": {
			pods: 2, budget: Workload{Ready: 2, Desired: 1, Expected: 2, DisruptionsAllowed: 1}, others: []any{newNode("b", "z1", notReady)},
			policy: []policyOption{maxUnavailable("2")},
		},
		"a policy that reboots regardless": {
			pods: 2, budget: Workload{Ready: 2, Desired: 1, Expected: 2, DisruptionsAllowed: 1}, policy: []policyOption{drain(forced)},
		},
		"a policy that does not drain": {
			pods: 2, budget: Workload{Ready: 2, Desired: 1, Expected: 2, DisruptionsAllowed: 1}, policy: []policyOption{drain(skipDrain)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(tc.others, newPolicy("p", tc.policy...), newNode("a", "z1"), newReboot("ra", "a"))...)
			for _, pod := range []string{"web-1", "web-2"}[:tc.pods] {
				s.Pods["a"] = append(s.Pods["a"], readyPod(pod, start.Add(-time.Hour), deployment("web"), webBudget))
			}
			s.Workloads[deployment("web")], s.Workloads[webBudget] = Workload{Ready: 2, Desired: 2}, tc.budget
			s.settle()
			status := s.reboot("ra").Status
			if impossible := status.Reason == v1alpha1.ReasonDrainImpossible; impossible != (tc.want != "") {
				t.Errorf("%s: %s", status.Reason, status.Message)
			} else if impossible && status.Message != tc.want {
				t.Errorf("it says %q, want %q", status.Message, tc.want)
			}
		})
	}
}

func TestABudgetOfTheManagersPodsKeepsANodeOnlyIfTheyHaveToLeaveIt(t *testing.T) {
	budget := WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: operatorNamespace, Name: "manager"}
	for name, tc := range map[string]struct {
		managers []string
		want     string
	}{
		"another manager works elsewhere": {[]string{"a", "b"}, v1alpha1.ReasonDrainImpossible},
		"it stays":                        {[]string{"a"}, v1alpha1.ReasonDraining},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p"), newNode("a", "z1"), newNode("b", "z1"), newReboot("ra", "a"))
			s.managersOn(tc.managers...)
			pod := readyPod("manager", start.Add(-time.Hour), budget)
			pod.Namespace, pod.Labels = operatorNamespace, map[string]string{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}
			s.Pods["a"] = []Pod{pod}
			s.Workloads[budget] = Workload{Ready: 1, Desired: 1, Expected: 1}
			s.settle()
			if got := s.reboot("ra").Status; got.Reason != tc.want {
				t.Errorf("%s: %s, want %s", got.Reason, got.Message, tc.want)
			}
		})
	}
}
