package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

func TestRefusedEvictionsAreTriedAgainWhenTheirBudgetAllowsThem(t *testing.T) {
	web := WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}
	for name, tc := range map[string]struct {
		budget *Workload
		change func(*v1alpha1.HelperReport)
		want   []string
	}{
		"it allows none":                    {budget: &Workload{}},
		"it allows one":                     {budget: &Workload{DisruptionsAllowed: 1}, want: []string{"web-1"}},
		"it allows some":                    {budget: &Workload{DisruptionsAllowed: 3}, want: []string{"web-1", "web-2", "web-3"}},
		"it allows more than were refused":  {budget: &Workload{DisruptionsAllowed: 9}, want: []string{"web-1", "web-2", "web-3", "web-4"}},
		"its controller has not caught up":  {budget: &Workload{DisruptionsAllowed: 1, Stale: true}},
		"it is gone":                        {want: []string{"web-1", "web-2", "web-3", "web-4"}},
		"something else refuses":            {budget: &Workload{DisruptionsAllowed: 9}, change: by("admission webhook \"web\"")},
		"a budget of another name refuses":  {budget: &Workload{}, change: by("PodDisruptionBudget other"), want: []string{"web-1", "web-2", "web-3", "web-4"}},
		"the report is about another order": {budget: &Workload{DisruptionsAllowed: 9}, change: func(r *v1alpha1.HelperReport) { r.Sequence++ }},
		"nothing is refused anymore":        {budget: &Workload{DisruptionsAllowed: 9}, change: func(r *v1alpha1.HelperReport) { r.Drain.Refused = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			s := attemptIn(t, stageDraining)
			s.Workloads[web] = Workload{}
			refuse(s)
			s.settle()
			delete(s.Workloads, web)
			sequence := s.reboot("ra").Status.Order.Sequence
			if tc.budget != nil {
				s.Workloads[web] = *tc.budget
			}
			if tc.change != nil {
				s.report("ra", tc.change)
			}
			s.settle()
			order := s.reboot("ra").Status.Order
			var got []string
			for _, pod := range order.Drain.Retry {
				got = append(got, pod.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || order.Sequence != sequence {
				t.Errorf("order %d, to be tried again (-want +got):\n%s", order.Sequence, diff)
			}
		})
	}
}

func by(refuser string) func(*v1alpha1.HelperReport) {
	return func(r *v1alpha1.HelperReport) {
		r.Drain.Refused = slices.Clone(r.Drain.Refused)
		for i := range r.Drain.Refused {
			r.Drain.Refused[i].By = refuser
		}
	}
}

// Those that hold pods back come first, then those that were refused, then the drain that begins.
func TestDrainsShareWhatABudgetAllows(t *testing.T) {
	web := WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}
	held := func(names ...string) (pods []v1alpha1.HeldPod) {
		for _, name := range names {
			pods = append(pods, v1alpha1.HeldPod{Namespace: "apps", Name: name, Budget: "web"})
		}
		return pods
	}
	for name, tc := range map[string]struct {
		allowed int32
		// hold and retry are of the drain under way of node a; begins is of node b, whose drain begins.
		hold   []v1alpha1.HeldPod
		retry  []v1alpha1.PodReference
		begins []v1alpha1.HeldPod
	}{
		"nothing": {hold: held("a-1", "a-2"), begins: held("b-1", "b-2")},
		"one":     {allowed: 1, hold: held("a-2"), begins: held("b-1", "b-2")},
		"four": {
			allowed: 4, retry: []v1alpha1.PodReference{{Namespace: "apps", Name: "a-3"}}, begins: held("b-2"),
		},
		"any": {allowed: 9, retry: []v1alpha1.PodReference{{Namespace: "apps", Name: "a-3"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &planning{
				snapshot:  &Snapshot{Workloads: map[WorkloadKey]Workload{web: {DisruptionsAllowed: tc.allowed}}},
				evictions: map[WorkloadKey]int32{}, drainShares: map[types.UID]drainShare{},
			}
			reboot := &v1alpha1.NodeReboot{}
			reboot.Status.Order = &v1alpha1.RebootOrder{
				Sequence: 1, Action: v1alpha1.ActionDrain, Drain: &v1alpha1.DrainOrder{Hold: held("a-1", "a-2")},
			}
			reboot.Status.Report = &v1alpha1.HelperReport{Sequence: 1, Drain: &v1alpha1.DrainProgress{Refused: []v1alpha1.RefusedPod{
				{Namespace: "apps", Name: "a-3", By: "PodDisruptionBudget web"},
			}}}
			under := &rebootView{Draft: model.NewDraft(reboot), facts: facts{attempting: true}}
			under.Status.Attempt = &v1alpha1.Attempt{}
			p.reboots = []*rebootView{under}
			p.shareEvictions()
			retry, hold := p.evictionsOf(under)
			begins := p.hold(covered([]Pod{
				coveredPod("b-1", web), coveredPod("b-2", web),
				{Namespace: "apps", Name: "b-3", Workloads: []WorkloadKey{web}}, // not Ready: it may go
				coveredPod("b-4", web, WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "two"}),
				coveredPod("b-5"),
			}))
			if diff := cmp.Diff(tc.hold, hold) + cmp.Diff(tc.retry, retry) + cmp.Diff(tc.begins, begins); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func coveredPod(name string, workloads ...WorkloadKey) Pod {
	return Pod{Namespace: "apps", Name: name, Workloads: workloads, Ready: true}
}

// contended has nodes a and b, with two pods each of an application whose budget allows so many evictions.
func contended(t *testing.T, allowed int32) *story {
	t.Helper()
	web := WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}
	s := newStory(t, newPolicy("p", maxUnavailable("2")), newNode("a", "z1"), newNode("b", "z1"), newNode("c", "z1"),
		newReboot("ra", "a"), newReboot("rb", "b"))
	for _, node := range []string{"a", "b"} {
		for _, pod := range []string{"1", "2"} {
			s.Pods[node] = append(s.Pods[node], readyPod(node+"-"+pod, start.Add(-time.Hour), deployment("web"), web))
		}
	}
	s.Workloads[deployment("web")] = Workload{Ready: 4, Desired: 4}
	s.budget(allowed)
	return deferring(s)
}

// budget allows so many evictions from now on.
func (s *story) budget(allowed int32) {
	s.Workloads[WorkloadKey{Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: "apps", Name: "web"}] =
		Workload{Ready: 3 + allowed, Desired: 3, Expected: 4, DisruptionsAllowed: allowed}
}

// held are the pods that orders hold back, after some passes.
func (s *story) held() string {
	s.t.Helper()
	for range 3 { // the orders themselves ask for passes
		s.written("ra")
	}
	var names []string
	for _, name := range []string{"ra", "rb"} {
		if order := s.reboot(name).Status.Order; order != nil {
			for _, pod := range order.Drain.Hold {
				names = append(names, pod.Name)
			}
		}
	}
	return strings.Join(names, " ")
}

func TestADrainBeginsWithWhatBudgetsAllow(t *testing.T) {
	for allowed, want := range map[int32]string{0: "a-1 a-2 b-1 b-2", 1: "a-2 b-1 b-2", 2: "b-1 b-2", 3: "b-2", 4: ""} {
		s := contended(t, allowed)
		if got := s.held(); got != want || s.underWay() != "a b" {
			t.Errorf("the budget allows %d: held are %q on nodes %s, want %q on a and b", allowed, got, s.underWay(), want)
		}
	}
}

// A budget shows an eviction a moment after it was let go, and passes are made in the meantime.
func TestAnEvictionIsGivenToOnePodAlone(t *testing.T) {
	s := contended(t, 1)
	if got := s.held(); got != "a-2 b-1 b-2" {
		t.Fatalf("held are %q", got)
	}
	s.now = s.now.Add(claimTime - time.Millisecond)
	if got := s.held(); got != "a-2 b-1 b-2" {
		t.Errorf("before the eviction is seen, held are %q", got)
	}
	s.budget(0)
	if got := s.held(); got != "a-2 b-1 b-2" {
		t.Errorf("when it is seen, held are %q", got)
	}
	s.budget(1) // the pod is back elsewhere
	if got := s.held(); got != "b-1 b-2" {
		t.Errorf("when the budget allows the next, held are %q", got)
	}
	s.budget(2)
	if got := s.held(); got != "" {
		t.Errorf("when it allows two, held are %q", got)
	}
}

func TestAnEvictionThatNobodyAsksForIsGivenToOthersAfterAWhile(t *testing.T) {
	s := contended(t, 1)
	s.held()
	s.now = s.now.Add(claimTime)
	if got := s.held(); got != "b-1 b-2" {
		t.Errorf("held are %q", got)
	}
	if wake := s.now.Add(claimTime); s.wake.IsZero() || s.wake.After(wake) {
		t.Errorf("the next look is at %s, want %s", s.wake, wake)
	}
}

// A drain that holds no pod back also claims what it takes.
func TestWhatADrainTakesIsClaimedForTheNextThatBegins(t *testing.T) {
	s := contended(t, 1)
	s.Pods["a"] = s.Pods["a"][:1]
	later := s.reboot("rb")
	s.Reboots = slices.DeleteFunc(s.Reboots, func(r *v1alpha1.NodeReboot) bool { return r == later })
	for range 3 { // nobody asks about the budget in these passes
		s.pass()
	}
	s.Reboots = append(s.Reboots, later)
	if got := s.held(); got != "b-1 b-2" || s.underWay() != "a b" {
		t.Errorf("held are %q on nodes %s", got, s.underWay())
	}
}

// A node that is cordoned and waits before its drain begins keeps no eviction from others.
func TestADrainThatDoesNotBeginYetTakesNoEvictions(t *testing.T) {
	s := contended(t, 1)
	s.editPolicy("p", spec(func(p *v1alpha1.RebootPolicySpec) { p.Drain.DelaySeconds = ptr.To[int32](60) }))
	s.held()
	if s.underWay() != "a b" || len(s.LetGo) > 0 {
		t.Fatalf("nodes %s are under way, and evictions are claimed: %v", s.underWay(), s.LetGo)
	}
	s.now = s.now.Add(time.Minute)
	if got := s.held(); got != "a-2 b-1 b-2" || len(s.LetGo) != 1 {
		t.Errorf("held are %q, and evictions are claimed: %v", got, s.LetGo)
	}
}

// Where nodes have more than one pod of an application, most drains hold some back for a moment.
func TestThatBudgetsHoldPodsBackIsToldAfterAWhile(t *testing.T) {
	s := contended(t, 0)
	s.held()
	if reason := s.reboot("ra").Status.Reason; reason != v1alpha1.ReasonDraining {
		t.Errorf("at first the reason is %s", reason)
	}
	for s.now.Before(start.Add(time.Minute)) && s.reboot("ra").Status.Reason == v1alpha1.ReasonDraining {
		s.now = s.now.Add(time.Second)
		s.written("ra")
	}
	status := s.reboot("ra").Status
	const want = "PodDisruptionBudget web refuses the eviction of pod apps/a-1"
	if status.Reason != v1alpha1.ReasonEvictionRefused || !strings.Contains(status.Message, want) || s.now.Sub(start) < 15*time.Second {
		t.Errorf("after %s the reason is %s: %s", s.now.Sub(start), status.Reason, status.Message)
	}
}
