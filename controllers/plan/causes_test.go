package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/selector"
)

func TestADrainThatIsBoundToFailDoesNotStart(t *testing.T) {
	healthy := Workload{Ready: 3, Desired: 3, Expected: 3}
	for name, tc := range map[string]struct {
		budget  Workload
		budgets []string
		change  func(*story)
		want    string
	}{
		"a budget that allows nothing while its pods are healthy": {
			budget: healthy, budgets: []string{"web"},
			want: "PodDisruptionBudget apps/web allows no disruption although all of its 3 pods are healthy, " +
				"so pod web-1 on node a can never be evicted: let the budget allow one, or add replicas.",
		},
		"two budgets on one pod": {
			budget: Workload{Ready: 3, Desired: 3, Expected: 3, DisruptionsAllowed: 1}, budgets: []string{"web", "all"},
			want: "Pod apps/web-1 on node a is covered by 2 PodDisruptionBudgets (all, web), " +
				"so the API server refuses to evict it: let one budget cover it.",
		},
		"a budget that allows one":                      {budget: Workload{Ready: 3, Expected: 3, DisruptionsAllowed: 1}, budgets: []string{"web"}},
		"a budget whose pods are not all healthy":       {budget: Workload{Ready: 2, Expected: 3}, budgets: []string{"web"}},
		"a budget that its controller has not seen yet": {budget: Workload{Ready: 3, Expected: 3, Stale: true}, budgets: []string{"web"}},
		"a pod that is not Ready":                       {budget: healthy, budgets: []string{"web"}, change: func(s *story) { s.Pods["a"][0].Ready = false }},
		"a pod that is going":                           {budget: healthy, budgets: []string{"web"}, change: func(s *story) { s.Pods["a"][0].Terminating = true }},
		"a pod that no drain evicts": {
			budget: healthy, budgets: []string{"web"},
			change: func(s *story) {
				s.editPolicy("p", drain(func(d *v1alpha1.DrainSpec) { d.Selector = selector.Of("app=db") }))
			},
		},
		"a policy that reboots regardless": {budget: healthy, budgets: []string{"web"}, change: func(s *story) { s.editPolicy("p", drain(forced)) }},
		"a policy that does not drain":     {budget: healthy, budgets: []string{"web"}, change: func(s *story) { s.editPolicy("p", drain(skipDrain)) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"), newNode("b", "z1"))
			s.coverWeb(tc.budget, tc.budgets...)
			if tc.change != nil {
				tc.change(s)
			}
			s.settle()
			status := s.reboot("ra").Status
			impossible := status.Reason == v1alpha1.ReasonDrainImpossible
			if impossible != (tc.want != "") || tc.want != "" && status.Message != tc.want {
				t.Errorf("%s %q, want %q", status.Reason, status.Message, tc.want)
			}
			if tc.want != "" && (s.node("a").Unschedulable || status.Attempt != nil) {
				t.Errorf("unschedulable %v, attempt %v: nothing is done in vain", s.node("a").Unschedulable, status.Attempt)
			}
		})
	}
}

func TestADrainThatIsBoundToFailHoldsUpNobodyAndStartsWhenTheBudgetIsFixed(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1"), newPolicy("p"))...)
	s.coverWeb(Workload{Ready: 3, Desired: 3, Expected: 3}, "web")
	s.settle()
	if got := s.underWay(); got != "b" {
		t.Fatalf("under way %q", got)
	}
	s.prove("b")
	key := WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}
	s.Workloads[key] = Workload{Ready: 3, Desired: 3, Expected: 3, DisruptionsAllowed: 1}
	s.settle()
	if got := s.underWay(); got != "a" {
		t.Errorf("under way %q", got)
	}
}

func TestEveryRefusalHasTheAnswerOfTheAPIServer(t *testing.T) {
	for name, tc := range map[string]struct {
		pod  v1alpha1.RefusedPod
		want string
	}{
		"a budget, with its numbers": {
			v1alpha1.RefusedPod{By: "PodDisruptionBudget web", Message: "The disruption budget web needs 3 healthy pods and has 3 currently"},
			"PodDisruptionBudget web refuses the eviction of pod apps/web-1 (The disruption budget web needs 3 healthy pods and has 3 currently)",
		},
		"admission": {
			v1alpha1.RefusedPod{By: `ValidatingAdmissionPolicy "kafka"`, Message: "the cluster operator moves kafka itself."},
			`ValidatingAdmissionPolicy "kafka" refuses the eviction of pod apps/web-1 (the cluster operator moves kafka itself)`,
		},
		"whoever does not say who it is": {
			v1alpha1.RefusedPod{Message: "no"}, "The API server refuses the eviction of pod apps/web-1 (no)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageDraining)
			tc.pod.Namespace, tc.pod.Name = "apps", "web-1"
			s.progress(v1alpha1.DrainProgress{Total: 1, Remaining: 1, Refused: []v1alpha1.RefusedPod{tc.pod}})
			s.settle()
			if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonEvictionRefused || !strings.HasPrefix(got.Message, tc.want) {
				t.Errorf("%s %q, want %q", got.Reason, got.Message, tc.want)
			}
			s.advance(10 * time.Minute)
			if got := s.reboot("ra").Status.Failures; !strings.Contains(got.LastMessage, tc.want) {
				t.Errorf("the failure says %q", got.LastMessage)
			}
		})
	}
}

func TestADrainThatIsStuckWarnsOnceAndNamesWhatIsLeft(t *testing.T) {
	s := attemptIn(t, stageDraining)
	stuck := v1alpha1.DrainProgress{
		Total: 3, Remaining: 2, Activity: v1alpha1.DrainStuck,
		Terminating: []v1alpha1.TerminatingPod{{Namespace: "apps", Name: "web-1", HeldBy: "finalizer example.com/backup"}},
		Returned:    []v1alpha1.ReturnedPod{{Namespace: "apps", Name: "agent-x", Owner: "DaemonSet apps.kruise.io agent", Evictions: 3}},
	}
	warnings := func() (messages []string) {
		for _, work := range s.pass().Work {
			for _, change := range work.Reboots {
				for _, e := range change.Events {
					if e.Reason == v1alpha1.ReasonDrainStuck && e.Warning && e.OnNode {
						messages = append(messages, e.Message)
					}
				}
			}
		}
		return messages
	}
	s.progress(stuck)
	want := "The drain of node a has made no progress for a minute: 2 of 3 pods are left: " +
		"pod apps/web-1 was evicted and does not terminate (finalizer example.com/backup), " +
		"pod apps/agent-x was put back by DaemonSet apps.kruise.io agent."
	if got := warnings(); len(got) != 1 || got[0] != want {
		t.Fatalf("warnings %q, want %q", got, want)
	}
	stuck.Returned = nil
	s.progress(stuck)
	if got := warnings(); len(got) != 0 {
		t.Errorf("warned again: %q", got)
	}
	s.progress(v1alpha1.DrainProgress{Total: 3, Remaining: 1, Activity: v1alpha1.DrainProgressing})
	s.settle()
	if got := s.reboot("ra").Status; got.Reason != v1alpha1.ReasonDraining || got.Attempt.StuckTime != nil {
		t.Errorf("%s %q once a pod has left", got.Reason, got.Message)
	}
	s.progress(stuck)
	if got := warnings(); len(got) != 1 {
		t.Errorf("warnings %q when it is stuck again", got)
	}
}

func TestADrainThatTimesOutNamesThePodsThatDoNotEnd(t *testing.T) {
	for _, policy := range [][]policyOption{nil, {drain(forced)}} {
		s := attemptIn(t, stageDraining, policy...)
		s.progress(v1alpha1.DrainProgress{
			Total: 1, Remaining: 1,
			Terminating: []v1alpha1.TerminatingPod{{Namespace: "apps", Name: "web-1", HeldBy: "finalizer example.com/backup"}},
		})
		s.settle()
		s.answer("ra", v1alpha1.OrderTimedOut, "")
		var told []string
		for _, work := range s.pass().Work {
			for _, change := range work.Reboots {
				for _, e := range change.Events {
					told = append(told, e.Message)
				}
			}
		}
		want := "Node a was not drained in time: 1 of 1 pod is left: " +
			"pod apps/web-1 was evicted and does not terminate (finalizer example.com/backup)."
		if got := strings.Join(told, "\n"); !strings.Contains(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

func TestAProofStatesOnlyWhatWasChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		options []policyOption
		change  func(*story)
		want    string
	}{
		"everything": {want: "Node a runs another boot, is Ready and does not ask for a reboot; " +
			"1 DaemonSet or static pod that was ready on it is ready again; 1 workload that had pods on it is as ready as before."},
		"without workloads": {
			options: []policyOption{spec(func(s *v1alpha1.RebootPolicySpec) { s.Recovery.Workloads = v1alpha1.Ignore })},
			want: "Node a runs another boot, is Ready and does not ask for a reboot; " +
				"1 DaemonSet or static pod that was ready on it is ready again; " +
				"1 workload that had pods on it was not waited for, as RebootPolicy p says.",
		},
		"without a drain": {
			options: []policyOption{drain(skipDrain)},
			want: "Node a runs another boot, is Ready and does not ask for a reboot; " +
				"1 DaemonSet or static pod that was ready on it is ready again; " +
				"1 workload that had pods on it is as ready as before. It was not drained, as its policy says.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageSettling, tc.options...)
			s.advance(time.Minute)
			if got := s.reboot("ra").Status.OutcomeMessage; got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestARebootForAnotherNodeRebootIsAttributedToIt(t *testing.T) {
	s := attemptIn(t, stageBack)
	s.Reboots = append(s.Reboots, newReboot("by-hand", "a", manual))
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	want := "Node a was rebooted for another reason"
	for _, r := range s.Reboots {
		if r.Name == "by-hand" && strings.HasPrefix(r.Status.OutcomeMessage, want) {
			t.Fatalf("%q", r.Status.OutcomeMessage)
		}
	}
	s = attemptIn(t, stageDraining)
	s.Reboots = append(s.Reboots, newReboot("by-hand", "a", manual))
	s.settle()
	s.answer("ra", v1alpha1.OrderDone, "")
	s.settle()
	s.advance(time.Minute)
	s.boot("a", 2)
	s.comeBack("ra", v1alpha1.SentinelNotRequired)
	s.settle()
	if got := s.reboot("by-hand").Status; !strings.HasPrefix(got.OutcomeMessage, "Node a was rebooted for NodeReboot ra:") {
		t.Errorf("%s %q", got.Reason, got.OutcomeMessage)
	}
}

func TestUnavailableCountsWhatIsDownNow(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 b/z1 c/z1"), newPolicy("p", maxUnavailable("2"), mode(v1alpha1.ModeObserve)))...)
	s.settle()
	if got := s.policy("p").Status.Unavailable; got != 0 {
		t.Errorf("%d unavailable while a policy observes and all nodes are up", got)
	}
	s.node("c").Ready = false
	s.settle()
	if got := s.policy("p").Status.Unavailable; got != 1 {
		t.Errorf("%d unavailable with one node down", got)
	}
}

func TestAClockThatIsOffIsReportedWithItsOffset(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
	s.report("ra", func(r *v1alpha1.HelperReport) { r.ClockOffsetSeconds = ptr.To[int64](7200) })
	s.settle()
	want := "The clock of node a is 7200 seconds ahead of the API server's."
	if got := trueCondition(s.reboot("ra").Status.Conditions, v1alpha1.ConditionClockOff); !strings.HasPrefix(got, want) {
		t.Errorf("condition %q, want %q", got, want)
	}
	if got := s.underWay(); got != "a" {
		t.Errorf("under way %q: nothing is decided by the host's clock", got)
	}
	s.report("ra", func(r *v1alpha1.HelperReport) { r.ClockOffsetSeconds = nil })
	s.settle()
	if got := trueCondition(s.reboot("ra").Status.Conditions, v1alpha1.ConditionClockOff); got != "" {
		t.Errorf("condition %q after the clock was set", got)
	}
}

func TestWhatElseWouldRebootTheHostIsReported(t *testing.T) {
	s := newStory(t, newPolicy("p"), newNode("a", "z1"), newReboot("ra", "a"))
	s.report("ra", func(r *v1alpha1.HelperReport) { r.Notices = []string{"locksmithd is active", "kured runs."} })
	s.settle()
	const want = "Something else on node a would reboot it, too, without asking: locksmithd is active; kured runs. Disable it there."
	if got := trueCondition(s.reboot("ra").Status.Conditions, v1alpha1.ConditionOtherRebooter); got != want {
		t.Errorf("condition %q, want %q", got, want)
	}
	if got := s.underWay(); got != "a" {
		t.Errorf("under way %q: nothing is decided by it", got)
	}
	s.report("ra", func(r *v1alpha1.HelperReport) { r.Notices = nil })
	s.settle()
	if got := trueCondition(s.reboot("ra").Status.Conditions, v1alpha1.ConditionOtherRebooter); got != "" {
		t.Errorf("condition %q after it was switched off", got)
	}
}

func TestZoneMessagesNameTheNodeInTheWayAndItsPolicy(t *testing.T) {
	s := twoPools(t, nil, nil)
	s.settle()
	want := "Zones go one at a time, and zone z1 has its turn. Under way: blue1 of RebootPolicy p"
	if got := s.reboot("rgreen2").Status.Message; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestManyNodesThatCannotBeDrainedAreFoundInFewRounds(t *testing.T) {
	s := newStory(t, newPolicy("p"))
	for i := range 201 {
		name := fmt.Sprintf("n%03d", i)
		s.Nodes = append(s.Nodes, newNode(name, "z1"))
		s.Reboots = append(s.Reboots, newReboot("r"+name, name))
	}
	s.editPolicy("p", drain(refusing))
	s.Pods = map[string][]Pod{}
	rounds, p := 0, s.compute()
	for ; len(p.Slots) == 0 && rounds < 12; rounds++ {
		for _, name := range p.NeedPods {
			s.Pods[name] = []Pod{readyPod("bare-"+name, start)}
			if name == "n200" {
				s.Pods[name] = nil
			}
		}
		p = s.compute()
	}
	if _, granted := p.Slots["n200"]; !granted {
		t.Errorf("slots %v after %d rounds", p.Slots, rounds)
	}
}

func TestAMessageNamesNoNodesForALimitThatIsNoLongerInTheWay(t *testing.T) {
	s := newStory(t, append(fleet("a/z1 g1/z1 g2/z1 x/z0"), newNode("last", "z1"), newNode("down", "z0", notReady),
		newNode("other", "z9", labeled("pool", "q")),
		newReboot("rlast", "last", finished(v1alpha1.OutcomeSucceeded, v1alpha1.ReasonProved, -time.Hour)),
		newReboot("rother", "other", requiredFor(5*time.Hour)),
		newPolicy("p", grouped(), maxUnavailable("9"), perZone("1"), capacityRequired()),
		newPolicy("q", priority(9), selecting("pool", "q"), anyOrder()))...)
	s.byGroups()
	s.reboot("rlast").Status.PolicyName, s.reboot("rlast").Status.Zone = "p", "z1"
	s.reboot("ra").CreationTimestamp = metav1.NewTime(start.Add(-2 * time.Hour))
	for _, name := range []string{"rg1", "rg2"} {
		s.reboot(name).CreationTimestamp = metav1.NewTime(start.Add(-time.Minute))
	}
	s.ClusterMaxUnavailable = ptr.To(intstr.FromInt32(3))
	s.askGate = func(GateQuery) GateAnswer {
		return GateAnswer{Nodes: map[string]string{"a": "There is no room.", "g1": "", "g2": "", "x": ""}}
	}
	s.settle()
	if got := s.underWay(); got != "other" {
		t.Errorf("under way %q, reasons %v", got, s.reasons())
	}
	if got := s.reboot("rg1").Status; got.Reason != v1alpha1.ReasonZoneBusy || strings.Contains(got.Message, "Unavailable") {
		t.Errorf("%s %q", got.Reason, got.Message)
	}
}
