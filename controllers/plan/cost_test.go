package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

func nodeOrder(order v1alpha1.NodeOrder) policyOption {
	return spec(func(s *v1alpha1.RebootPolicySpec) { s.Rollout.NodeOrder = order })
}

// fewestMoves is the default of the API server.
func fewestMoves() policyOption { return nodeOrder(v1alpha1.NodeOrderFewestMoves) }

// movable is a pod that a drain evicts.
func movable(name string, priority int32) Pod {
	pod := readyPod(name, start.Add(-time.Hour), deployment("web"))
	pod.Controlled, pod.Priority, pod.Labels = true, priority, map[string]string{"app": name}
	return pod
}

// carry puts as many pods on nodes as words say: "a=3".
func (s *story) carry(words string) {
	for word := range strings.FieldsSeq(words) {
		node, number, _ := strings.Cut(word, "=")
		var count int
		if _, err := fmt.Sscan(number, &count); err != nil {
			s.t.Fatal(err)
		}
		for i := range count {
			s.Pods[node] = append(s.Pods[node], movable(fmt.Sprintf("%s-%d", node, i), 0))
		}
	}
}

func TestTheNodeWhoseDrainCostsTheLeastGoesFirst(t *testing.T) {
	stays := func(change func(*Pod)) func(*story) {
		return func(s *story) {
			s.carry("a=1 b=1 c=0")
			pod := movable("other", 1000)
			change(&pod)
			s.Pods["c"] = []Pod{pod, pod, pod}
		}
	}
	cheapest := []string{"c", "a", "b"}
	for name, tc := range map[string]struct {
		options []policyOption
		event   func(*story)
		want    []string
	}{
		"the fewest pods":              {event: func(s *story) { s.carry("a=3 b=1 c=2") }, want: []string{"b", "c", "a"}},
		"as many: longest required":    {event: func(s *story) { s.carry("a=2 b=2 c=2") }, want: []string{"a", "b", "c"}},
		"by the order of needs":        {options: []policyOption{nodeOrder(v1alpha1.NodeOrderLongestRequired)}, event: func(s *story) { s.carry("a=3 b=1 c=2") }, want: []string{"a", "b", "c"}},
		"nothing moves without drains": {options: []policyOption{drain(skipDrain)}, event: func(s *story) { s.carry("a=3 b=1 c=2") }, want: []string{"a", "b", "c"}},
		"as many of lower priority": {event: func(s *story) {
			s.Pods["a"], s.Pods["b"], s.Pods["c"] = []Pod{movable("x", 10)}, []Pod{movable("y", 5)}, []Pod{movable("z", -5)}
		}, want: []string{"c", "b", "a"}},
		"as many with the same highest priority": {event: func(s *story) {
			s.Pods["a"], s.Pods["b"] = []Pod{movable("x", 10), movable("y", 9)}, []Pod{movable("x", 10), movable("y", 2)}
			s.carry("c=3")
		}, want: []string{"b", "a", "c"}},
		"a pod of a DaemonSet stays": {event: stays(func(pod *Pod) { pod.Workloads = []WorkloadKey{daemonSet("agent")} }), want: cheapest},
		"a static pod stays":         {event: stays(func(pod *Pod) { pod.Mirror = true }), want: cheapest},
		"a pod that ended is gone":   {event: stays(func(pod *Pod) { pod.Finished = true }), want: cheapest},
		"a pod that ends is gone":    {event: stays(func(pod *Pod) { pod.Terminating = true }), want: cheapest},
		"a pod that is not evicted stays": {
			options: []policyOption{spec(func(s *v1alpha1.RebootPolicySpec) { s.Drain.Selector = selector.Of("app notin (other)") })},
			event:   stays(func(*Pod) {}), want: cheapest,
		},
		"an hour older": {event: func(s *story) {
			s.carry("a=3 b=1 c=2")
			requiredFor(2*time.Hour + time.Second)(s.reboot("ra"))
		}, want: []string{"a", "b", "c"}},
		"nearly an hour older": {event: func(s *story) {
			s.carry("a=3 b=1 c=2")
			requiredFor(2 * time.Hour)(s.reboot("ra"))
		}, want: []string{"b", "c", "a"}},
		"urgent": {event: func(s *story) {
			s.carry("a=3 b=1 c=2")
			immediate(s.reboot("ra"))
		}, want: []string{"a", "b", "c"}},
		"the pods of one cannot be read": {event: func(s *story) {
			s.carry("a=3 b=1")
			delete(s.Pods, "c")
			s.PodsUnread = map[string]bool{"c": true}
		}, want: []string{"b", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p", append([]policyOption{fewestMoves()}, tc.options...)...))...)
			s.Workloads[deployment("web")] = Workload{}
			tc.event(s)
			if name == "the pods of one cannot be read" {
				s.settle()
				s.wantUnderWay("b", "the one whose pods cannot be read")
				return
			}
			if diff := cmp.Diff(tc.want, rollOut(s)); diff != "" {
				t.Errorf("they go in this order (-want +got):\n%s", diff)
			}
		})
	}
}

// A drain that waits for a budget holds a slot that is of no use to others.
func TestOfTheNodesThatGoAtOnceEachNeedsOtherBudgets(t *testing.T) {
	pods := 0
	// under is a pod of each of these budgets.
	under := func(budgets string) []Pod {
		var all []Pod
		for name := range strings.FieldsSeq(budgets) {
			pods++
			pod := movable(fmt.Sprintf("%s-%d", name, pods), 0)
			pod.Workloads = append(pod.Workloads, podBudget(name))
			all = append(all, pod)
		}
		return all
	}
	healthy := func(allowed int32) Workload {
		return Workload{Ready: 6, Desired: 6, Expected: 6, DisruptionsAllowed: allowed, DisruptionsAtRest: allowed}
	}
	forcing := func(s *story) { s.editPolicy("p", maxUnavailable("2"), fewestMoves(), drain(forced)) }
	for name, tc := range map[string]struct {
		slots string
		event func(*story)
		want  string
	}{
		"the second of another application":  {want: "a c", event: func(*story) {}},
		"although it has more pods":          {want: "a c", event: func(s *story) { s.Pods["c"], s.Pods["d"] = under("y y z"), under("y y z") }},
		"a budget that is enough for both":   {want: "a b", event: func(s *story) { s.Workloads[podBudget("x")] = healthy(2) }},
		"a budget of which nothing is known": {want: "a b", event: func(s *story) { delete(s.Workloads, podBudget("x")) }},
		"a pod that is missing": {slots: "1", want: "c", event: func(s *story) {
			s.Workloads[podBudget("x")] = Workload{Ready: 5, Desired: 6, Expected: 6, DisruptionsAtRest: 1}
		}},
		"a budget that would let no pod go either if none was missing": {want: "a b", event: func(s *story) {
			s.Workloads[podBudget("x")] = Workload{Ready: 5, Desired: 6, Expected: 6}
			forcing(s)
		}},
		"a budget that its controller has not seen": {slots: "1", want: "c", event: func(s *story) {
			stale := healthy(1)
			stale.Stale = true
			s.Workloads[podBudget("x")] = stale
		}},
		"a pod that is not Ready may go at any time": {want: "a b", event: func(s *story) { s.Pods["b"][0].Ready = false }},
		"a pod that two budgets cover is never evicted": {want: "a b", event: func(s *story) {
			s.Pods["b"][0].Workloads = append(s.Pods["b"][0].Workloads, podBudget("y"))
			forcing(s)
		}},
		"one that is urgent goes first, and counts for those after it": {want: "b c", event: func(s *story) { immediate(s.reboot("rb")) }},
		"of equals the one that has waited longest": {slots: "3", want: "a c d", event: func(s *story) {
			s.Pods["b"], s.Pods["c"], s.Pods["d"], s.Pods["e"] = under("x"), under("z"), under("w"), under("v")
		}},
		"two pods of one node, which wait for each other at any time": {want: "a c", event: func(s *story) {
			s.Pods["c"], s.Pods["d"] = under("y y"), under("x")
		}},
		"of which the first needs less at once": {want: "b c", event: func(s *story) { s.Pods["a"] = under("x x") }},
		"each of those before counts": {slots: "3", want: "a c e", event: func(s *story) {
			s.Pods["e"] = under("z z z")
		}},
		"all need the same": {want: "a b", event: func(s *story) {
			s.Pods["c"], s.Pods["d"], s.Pods["e"] = under("x"), under("x"), under("x")
		}},
		"a pod that is not evicted needs none": {want: "a b", event: func(s *story) {
			s.Pods["b"][0].Terminating = true
			s.Pods["c"] = under("y y")
		}},
		"a pod that another drain does not evict leaves it to others": {want: "a b", event: func(s *story) {
			s.Pods["a"][0].Finished = true
			s.Pods["c"], s.Pods["d"] = under("y y"), under("y y")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			slots := "2"
			if tc.slots != "" {
				slots = tc.slots
			}
			policy := newPolicy("p", maxUnavailable(slots), fewestMoves())
			s := newStory(t, append(fleet("a/z1 b/z1 c/z1 d/z1 e/z1"), newNode("done", "z1"), policy)...)
			s.Workloads[deployment("web")] = Workload{Ready: 20, Desired: 20}
			for _, name := range []string{"x", "y", "z"} {
				s.Workloads[podBudget(name)] = healthy(1)
			}
			s.Pods["a"], s.Pods["b"], s.Pods["c"], s.Pods["d"] = under("x"), under("x"), under("y"), under("y")
			s.Pods["e"] = under("x y z z z")
			tc.event(s)
			s.settle()
			s.wantUnderWay(tc.want, name)
		})
	}
}

func TestEachNodeOfAGroupCountsOnceForWhatBudgetsHaveLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		// allowed is how many pods may leave under each budget, and under are the budgets of nodes.
		allowed int32
		under   map[string]string
		event   func(*story)
		want    string
	}{
		"of nodes that are compared": {
			allowed: 1, under: map[string]string{"a2": "x", "b": "x", "c": "y"}, want: "a1 a2 c",
			event: func(s *story) { s.Pods["a2"] = append(s.Pods["a2"], movable("large", 0), movable("larger", 0)) },
		},
		"not for each node of the group": {
			allowed: 2, under: map[string]string{"a1": "x", "b": "x", "c": "y"}, want: "a1 a2 b",
			event: func(s *story) { s.Pods["c"] = append(s.Pods["c"], movable("large", 0)) },
		},
		"one goes first because it is urgent": {
			allowed: 1, under: map[string]string{"a2": "x", "b": "x", "c": "y"}, want: "a1 a2 c",
			event: func(s *story) {
				immediate(s.reboot("ra1"))
				s.Pods["a2"] = append(s.Pods["a2"], movable("large", 0), movable("larger", 0))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			policy := newPolicy("p", maxUnavailable("2"), fewestMoves(), grouped())
			s := newStory(t, append(fleet("a1/z1 a2/z1 b/z1 c/z1"), newNode("done", "z1"), policy)...)
			s.byGroups()
			s.Workloads[deployment("web")] = Workload{Ready: 9, Desired: 9}
			for node, budget := range tc.under {
				pod := movable(node, 0)
				pod.Workloads = append(pod.Workloads, podBudget(budget))
				s.Pods[node] = []Pod{pod}
				s.Workloads[podBudget(budget)] = Workload{
					Ready: 6, Desired: 6, Expected: 6, DisruptionsAllowed: tc.allowed, DisruptionsAtRest: tc.allowed,
				}
			}
			tc.event(s)
			s.settle()
			s.wantUnderWay(tc.want, name)
		})
	}
}

func TestANodeThatIsNotDrainedNeedsNothingOfBudgets(t *testing.T) {
	others := newPolicy("q", selecting("pool", "q"), priority(1), drain(func(d *v1alpha1.DrainSpec) {
		d.Mode, d.DelaySeconds = v1alpha1.DrainModeSkip, ptr.To[int32](60)
	}))
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newNode("done", "z1"), newPolicy("p", fewestMoves()), others)...)
	s.relabel("a", func(labels map[string]string) { labels["pool"] = "q" })
	s.Workloads[deployment("web")] = Workload{Ready: 9, Desired: 9}
	for node, name := range map[string]string{"a": "x", "b": "x", "c": "y"} {
		s.Pods[node] = []Pod{coveredPod(node, deployment("web"), podBudget(name))}
		s.Workloads[podBudget(name)] = Workload{Ready: 6, Desired: 6, Expected: 6, DisruptionsAllowed: 1, DisruptionsAtRest: 1}
	}
	s.settle()
	s.wantUnderWay("a b", "a is not drained")
}

func TestTheNextNodeNeedsOtherBudgetsThanADrainUnderWay(t *testing.T) {
	for name, tc := range map[string]struct {
		event func(*story)
		want  string
	}{
		"the drain is under way": {func(*story) {}, "a c"},
		"its pods are gone, and not ready elsewhere": {func(s *story) {
			s.answer("ra", v1alpha1.OrderDone, "")
			s.Workloads[podBudget("x")] = Workload{Ready: 5, Desired: 6, Expected: 6, DisruptionsAtRest: 1}
		}, "a c"},
		"the budget lets the pod of another node go as well": {func(s *story) {
			s.Workloads[podBudget("x")] = Workload{Ready: 6, Desired: 6, Expected: 6, DisruptionsAllowed: 2, DisruptionsAtRest: 2}
		}, "a b"},
		"its pod is the one that is missing": {func(s *story) {
			s.Workloads[podBudget("x")] = Workload{Ready: 5, Desired: 6, Expected: 6, DisruptionsAllowed: 1, DisruptionsAtRest: 2}
		}, "a b"},
		"the host has booted during the drain": {func(s *story) { s.boot("a", 2) }, "a b"},
		"the drain is over, and what is on the node came later": {func(s *story) {
			s.answer("ra", v1alpha1.OrderDone, "")
			s.settle()
		}, "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newNode("done", "z1"), newPolicy("p", fewestMoves()))...)
			s.Workloads[deployment("web")] = Workload{Ready: 9, Desired: 9}
			for node, name := range map[string]string{"a": "x", "b": "x", "c": "y"} {
				pod := movable(node, 0)
				pod.Workloads = append(pod.Workloads, podBudget(name))
				s.Pods[node] = []Pod{pod}
				s.Workloads[podBudget(name)] = Workload{Ready: 6, Desired: 6, Expected: 6, DisruptionsAllowed: 1, DisruptionsAtRest: 1}
			}
			s.settle()
			s.wantUnderWay("a", "one at a time")
			delete(s.Pods, "a") // no one reads them while the drain is under way
			tc.event(s)
			s.editPolicy("p", maxUnavailable("2"), fewestMoves())
			s.settle()
			s.wantUnderWay(tc.want, name)
		})
	}
}

// Only of a bounded number of nodes are the pods read to compare them: all at once, and as long as they are in line.
func TestThePodsOfAFewNodesInLineAreReadToCompareThem(t *testing.T) {
	var words []string
	for i := range 40 {
		words = append(words, fmt.Sprintf("n%02d/z1", i))
	}
	s := newStory(t, append(fleet(strings.Join(words, " ")), newPolicy("p", fewestMoves()))...)
	known := s.Pods
	s.Pods = map[string][]Pod{}
	p := Compute(s.Snapshot, s.now)
	if len(p.NeedPods) != maxCompared || p.NeedPods[0] != "n00" || p.NeedPods[maxCompared-1] != "n15" {
		t.Fatalf("the pods of %v are read", p.NeedPods)
	}
	for _, node := range p.NeedPods {
		s.Pods[node] = known[node]
	}
	s.Pods["n07"], s.Pods["n00"] = nil, []Pod{movable("x", 0)}
	for i := range maxCompared {
		if node := fmt.Sprintf("n%02d", i); node != "n07" {
			s.Pods[node] = []Pod{movable("x", 0)}
		}
	}
	s.settle()
	s.wantUnderWay("n07", "one of those compared has no pods")
	if p := s.pass(); len(p.NeedPods) != maxCompared-1 {
		t.Errorf("while it is under way the pods of %v are watched, which the order depends on", p.NeedPods)
	}
}

// A node with which none is compared goes first whatever its drain costs.
func TestThePodsOfANodeThatGoesFirstAnywayAreNotReadToCompareThem(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p", fewestMoves()))...)
	requiredFor(6 * maxOvertaken)(s.reboot("ra"))
	requiredFor(3 * maxOvertaken)(s.reboot("rb"))
	s.settle()
	s.wantUnderWay("a", "it has waited longest")
	if p := s.pass(); slices.Contains(p.NeedPods, "b") {
		t.Errorf("the pods of %v are watched, and b is the next one whatever they are", p.NeedPods)
	}
}

func TestANodeIsOvertakenOnlyByThoseRequiredWithinAnHourAfterIt(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 7))
		s := newStory(t, newPolicy("p", maxUnavailable("2"), fewestMoves(), anyOrder()))
		since := map[string]time.Duration{}
		for i := range 30 {
			name := fmt.Sprintf("n%02d", i)
			since[name] = time.Duration(random.IntN(5*3600)) * time.Second
			node := newSnapshot(newNode(name, "z"+fmt.Sprint(random.IntN(3))), newReboot("r"+name, name, requiredFor(since[name])))
			s.Nodes, s.Reboots = append(s.Nodes, node.Nodes...), append(s.Reboots, node.Reboots...)
			s.Pods[name] = slices.Repeat([]Pod{movable(name, random.Int32N(3))}, random.IntN(6))
		}
		waiting, overtaken := since, 0
		for len(waiting) > 0 {
			s.settle()
			together := strings.Fields(s.underWay())
			if len(together) == 0 {
				t.Fatalf("seed %d: %d nodes wait", seed, len(waiting))
			}
			for _, name := range together {
				for other, longer := range waiting {
					switch {
					case slices.Contains(together, other):
					case longer-waiting[name] > maxOvertaken && s.reboot("r"+other).Status.Reason != v1alpha1.ReasonFirstNodeAlone:
						t.Fatalf("seed %d: node %s goes before %s, which has been required for %s longer", seed, name, other, longer-waiting[name])
					case longer > waiting[name]:
						overtaken++
					}
				}
			}
			for _, name := range together {
				s.prove(name)
				delete(waiting, name)
			}
		}
		if overtaken == 0 {
			t.Errorf("seed %d: no node was overtaken", seed)
		}
	}
}

func TestTheFirstNodeOfAZoneGoesAloneUntilItIsBack(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1 d/z1"), newPolicy("p", maxUnavailable("3"), fewestMoves()))...)
	s.carry("a=2 b=2 c=1 d=2")
	s.settle()
	s.wantUnderWay("c", "it has the fewest pods")
	if status := s.reboot("ra").Status; status.Reason != v1alpha1.ReasonFirstNodeAlone || !strings.HasSuffix(status.Message, "Under way: c.") {
		t.Errorf("a waits because of %s: %s", status.Reason, status.Message)
	}
	s.Pods["c"] = nil
	s.answer("rc", v1alpha1.OrderDone, "")
	s.settle()
	s.wantUnderWay("c", "it is drained")
	s.boot("c", 2)
	s.settle()
	s.wantUnderWay("c", "it is not Ready")
	s.Workloads[deployment("web")] = Workload{Ready: 0, Desired: 7}
	s.reboot("rc").Status.Workloads[0].Ready = 1
	s.comeBack("rc", v1alpha1.SentinelNotRequired)
	s.settle()
	s.settle()
	s.wantUnderWay("a b c", "it takes pods again, though what left it is not ready")
}

// The node controller leaves its taints on a node for a while after the node is Ready. What counts is whether pods go there.
func TestANodeThatIsBackTakesPodsAlthoughTheNodeControllerHasNotLookedYet(t *testing.T) {
	for name, tc := range map[string]struct {
		taint corev1.Taint
		want  string
	}{
		"every pod tolerates not-ready for a while":   {corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoExecute}, "a b c"},
		"every pod tolerates unreachable for a while": {corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}, "a b c"},
		"no pod tolerates another effect":             {corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}, "a"},
		"no pod tolerates the cordon":                 {corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}, "a"},
		"no pod tolerates the taint of a team":        {corev1.Taint{Key: "team", Effect: corev1.TaintEffectNoExecute}, "a"},
		"a preference keeps no pod away":              {corev1.Taint{Key: "team", Effect: corev1.TaintEffectPreferNoSchedule}, "a b c"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1 c/z1 d/z1"), newPolicy("p", maxUnavailable("3"), fewestMoves()))...)
			s.carry("a=2 b=2 c=2 d=1")
			s.settle()
			s.wantUnderWay("d", "it has the fewest pods")
			s.Pods["d"] = nil
			s.answer("rd", v1alpha1.OrderDone, "")
			s.settle()
			s.boot("d", 2)
			s.node("d").Taints = append(s.node("d").Taints, tc.taint)
			s.comeBack("rd", v1alpha1.SentinelNotRequired)
			s.settle()
			s.settle()
			s.wantUnderWay(tc.want, "d is back")
		})
	}
}

func TestWhatDoesNotGetOnKeepsNoOtherNodeFromStarting(t *testing.T) {
	for name, tc := range map[string]struct {
		event func(*story)
		want  string
	}{
		"it gets on": {event: func(*story) {}, want: "a"},
		"its drain is stuck": {event: func(s *story) {
			s.report("ra", func(report *v1alpha1.HelperReport) {
				report.Sequence, report.State = s.reboot("ra").Status.LastSequence, v1alpha1.OrderStarted
				report.Drain = &v1alpha1.DrainProgress{Activity: v1alpha1.DrainStuck}
			})
		}, want: "a b"},
		"it does not come back": {event: func(s *story) {
			s.editPolicy("p", spec(func(s *v1alpha1.RebootPolicySpec) { s.Failure.MaxFailures = ptr.To(intstr.FromInt32(9)) }))
			s.answer("ra", v1alpha1.OrderDone, "")
			s.settle()
			s.report("ra", func(report *v1alpha1.HelperReport) {
				report.Sequence, report.State = s.reboot("ra").Status.LastSequence, v1alpha1.OrderDone
			})
			s.node("a").Ready = false
			s.settle()
			s.advance(20 * time.Minute)
		}, want: "a b"},
		"its drain failed": {event: func(s *story) {
			s.Workloads[deployment("web")] = Workload{Ready: 0, Desired: 2}
			s.reboot("ra").Status.Workloads[0].Ready = 1
			s.answer("ra", v1alpha1.OrderFailed, "no")
		}, want: "a b"},
		"another node of the zone needs no reboot": {event: func(s *story) {
			s.Nodes = append(s.Nodes, newNode("d", "z1"))
		}, want: "a b"},
		"one that needs none and takes no pods": {event: func(s *story) {
			s.Nodes = append(s.Nodes, newNode("d", "z1", cordonedByHand))
			s.editPolicy("p", maxUnavailable("3"), fewestMoves())
		}, want: "a"},
		"one that needs none in another zone": {event: func(s *story) {
			s.Nodes = append(s.Nodes, newNode("d", "z2"))
		}, want: "a"},
		"one of the control plane": {event: func(s *story) {
			s.Nodes = append(s.Nodes, newNode("d", "z1", controlPlane))
		}, want: "a"},
		"order of needs": {event: func(s *story) {
			s.editPolicy("p", nodeOrder(v1alpha1.NodeOrderLongestRequired))
		}, want: "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p", maxUnavailable("2"), fewestMoves()))...)
			s.carry("a=1 b=2 c=3")
			s.settle()
			s.wantUnderWay("a", "first")
			tc.event(s)
			s.settle()
			s.wantUnderWay(tc.want, name)
		})
	}
}

func TestInAnyOrderTheFirstNodesOfZonesGoTogether(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z2 d/z2 e/z3"), newPolicy("p", maxUnavailable("5"), fewestMoves(), anyOrder()))...)
	if diff := cmp.Diff([]string{"a c e", "b d"}, rollOut(s)); diff != "" {
		t.Errorf("under way together (-want +got):\n%s", diff)
	}
}

func TestNodesWithManagersGoLastEvenWhenOnlyTheyAskAtFirst(t *testing.T) {
	s := newStory(t, newPolicy("p", fewestMoves()), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"), newNode("c", "z1"))
	s.LeaderNode = "a"
	s.ManagerPods = []model.ManagerPod{{Node: "a", Ready: true}, {Node: "b", Ready: true}}
	s.settle()
	s.wantUnderWay("", "others may ask in a moment")
	if status := s.reboot("ra").Status; status.Reason != v1alpha1.ReasonManagerNodeLast || !s.summary("ra").Tainted {
		t.Errorf("a waits because of %s: %s", status.Reason, status.Message)
	}
	s.now = s.now.Add(time.Second)
	s.Reboots = append(s.Reboots, newReboot("rb", "b"), newReboot("rc", "c"))
	s.carry("c=3")
	s.settle()
	s.wantUnderWay("c", "no manager runs there")
	s.now = s.now.Add(burst)
	if diff := cmp.Diff([]string{"c", "b", "a"}, rollOut(s)); diff != "" {
		t.Errorf("they go in this order (-want +got):\n%s", diff)
	}
}

// The other manager's node asks a second later, so its moment ends later as well.
func TestTheLeadersNodeWaitsForAnotherManagersNodeThatAskedLater(t *testing.T) {
	s := newStory(t, newPolicy("p", fewestMoves()), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"))
	s.LeaderNode = "a"
	s.ManagerPods = []model.ManagerPod{{Node: "a", Ready: true}, {Node: "b", Ready: true}}
	s.settle()
	s.now = s.now.Add(time.Second)
	s.Reboots = append(s.Reboots, newReboot("rb", "b"))
	s.settle()
	s.now = s.now.Add(burst - time.Second)
	s.settle()
	s.wantUnderWay("", "the moment of b is not over")
	s.now = s.now.Add(time.Second)
	if diff := cmp.Diff([]string{"b", "a"}, rollOut(s)); diff != "" {
		t.Errorf("they go in this order (-want +got):\n%s", diff)
	}
}

func TestTheOnlyNodeThatAsksGoesAfterAMoment(t *testing.T) {
	for name, tc := range map[string]struct {
		event func(*story)
		waits time.Duration
	}{
		"it runs the leading manager": {event: func(s *story) { s.LeaderNode = "a" }, waits: burst},
		"it runs the other manager":   {event: func(s *story) { s.ManagerPods = []model.ManagerPod{{Node: "a", Ready: true}} }, waits: burst},
		"it runs none":                {event: func(s *story) { s.LeaderNode = "b" }},
		"it is urgent": {event: func(s *story) {
			s.LeaderNode = "a"
			immediate(s.reboot("ra"))
		}},
		"it is the only one": {event: func(s *story) {
			s.LeaderNode = "a"
			s.removeNode("b")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"))
			tc.event(s)
			s.settle()
			if tc.waits > 0 {
				s.advance(tc.waits - time.Millisecond)
				s.wantUnderWay("", "before")
				s.advance(time.Millisecond)
			}
			s.wantUnderWay("a", "after "+tc.waits.String())
		})
	}
}

// askedLongAgo: the needs were seen before the story begins, so that no node waits for those of others.
func (s *story) askedLongAgo() {
	for _, r := range s.Reboots {
		if r.Status.TaintedTime == nil && r.Status.Attempt == nil {
			r.Status.TaintedTime = at(-time.Minute)
		}
	}
}
