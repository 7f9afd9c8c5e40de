package forecast

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/plan/policies"
)

// runOf is a run of a node a with one NodeReboot and some pods.
func runOf(reboot *v1alpha1.NodeReboot, pods ...model.Pod) *run {
	reboot.Name, reboot.Spec.NodeName = "ra", "a"
	c := newCluster(&plan.Snapshot{
		Nodes: []*model.Node{{Name: "a", BootID: "boot-1"}}, Reboots: []*v1alpha1.NodeReboot{reboot}, Pods: map[string][]model.Pod{"a": pods},
	}, time.Unix(1000, 0))
	return &run{cluster: c, fleet: &fleet{named: map[string][]string{"a": {"ra"}}}}
}

func TestAHelperThatReportsForTheFirstTimeSaysWhichBootItIsIn(t *testing.T) {
	said := &v1alpha1.HelperReport{BootID: "boot-0", Sequence: 7}
	for name, tc := range map[string]struct {
		report *v1alpha1.HelperReport
		want   string
	}{
		"the first report":  {nil, "boot-1"},
		"a further report":  {said, "boot-0"},
		"an empty one says": {&v1alpha1.HelperReport{}, ""},
	} {
		r := runOf(&v1alpha1.NodeReboot{Status: v1alpha1.NodeRebootStatus{Report: tc.report}})
		r.report(r.reboot("ra"), func(report *v1alpha1.HelperReport) { report.State = v1alpha1.OrderDone })
		if got := r.reboot("ra").Status.Report; got.BootID != tc.want || got.State != v1alpha1.OrderDone {
			t.Errorf("%s: %+v, want boot %q", name, got, tc.want)
		}
	}
	if said.State != "" {
		t.Error("what was reported before was changed")
	}
}

func TestAfterABootThePodsThatStayAreReadyAndOthersAsTheyWere(t *testing.T) {
	daemon := []model.WorkloadKey{{Kind: v1alpha1.WorkloadDaemonSet, Namespace: "kube-system", Name: "agent"}}
	r := runOf(&v1alpha1.NodeReboot{},
		model.Pod{Name: "stays", Workloads: daemon, Containers: []string{"old"}},
		model.Pod{Name: "came", Ready: true, Containers: []string{"old"}},
		model.Pod{Name: "starts", Containers: []string{"old"}},
		model.Pod{Name: "ended", Workloads: daemon, Finished: true, Containers: []string{"old"}})
	r.prove("a", "boot-2")
	ready := map[string]bool{"stays": true, "came": true}
	for _, pod := range r.snapshot.Pods["a"] {
		again := slices.Equal(pod.Containers, []string{"boot-2"})
		if pod.Ready != ready[pod.Name] || again == (pod.Name == "ended") {
			t.Errorf("pod %s is ready: %t, with containers %v", pod.Name, pod.Ready, pod.Containers)
		}
	}
	if report := r.reboot("ra").Status.Report; report.BootID != "boot-2" || report.Sentinel != v1alpha1.SentinelNotRequired {
		t.Errorf("the helper says %+v", report)
	}
}

func TestAProofThatIsLateIsOfTheAttemptThatWaitsForIt(t *testing.T) {
	stamp := &metav1.MicroTime{Time: time.Unix(900, 0)}
	asks := &v1alpha1.HelperReport{BootID: "boot-1", Sentinel: v1alpha1.SentinelRequired}
	for name, tc := range map[string]struct {
		attempt *v1alpha1.Attempt
		report  *v1alpha1.HelperReport
		node    string
		want    bool
	}{
		"it waits":                             {&v1alpha1.Attempt{}, nil, "a", true},
		"its host asked before the boot":       {&v1alpha1.Attempt{}, &v1alpha1.HelperReport{BootID: "boot-0", Sentinel: v1alpha1.SentinelRequired}, "a", true},
		"its host asks for another reboot":     {&v1alpha1.Attempt{}, asks, "a", false},
		"there is no attempt":                  {nil, nil, "a", false},
		"it ended":                             {&v1alpha1.Attempt{EndedTime: stamp}, nil, "a", false},
		"it is proved and waits for workloads": {&v1alpha1.Attempt{UncordonedTime: stamp}, nil, "a", false},
		"its node is gone":                     {&v1alpha1.Attempt{}, nil, "gone", false},
	} {
		r := runOf(&v1alpha1.NodeReboot{Status: v1alpha1.NodeRebootStatus{Attempt: tc.attempt, Report: tc.report}})
		r.snapshot.Reboots[0].Spec.NodeName = tc.node
		if got := r.proveLate("ra"); got != tc.want {
			t.Errorf("%s: it is proved: %t", name, got)
		}
	}
	if r := runOf(&v1alpha1.NodeReboot{}); r.proveLate("other") {
		t.Error("a NodeReboot that is gone is proved")
	}
}

func TestEvictedPodsGoAndOtherTerminatingPodsStay(t *testing.T) {
	evicted := model.Pod{Namespace: "apps", Name: "web", Terminating: true}
	r := runOf(&v1alpha1.NodeReboot{}, evicted,
		model.Pod{Namespace: "other", Name: "web", Terminating: true}, model.Pod{Namespace: "apps", Name: "db", Terminating: true})
	r.snapshot.Pods["b"] = []model.Pod{evicted}
	d := &drain{node: "a", ended: true}
	r.goneAt(d, []model.Pod{evicted}, r.now.Add(time.Minute), 0)
	names := func() (names []string) {
		for _, node := range []string{"a", "b"} {
			for _, pod := range r.snapshot.Pods[node] {
				names = append(names, node+": "+pod.Namespace+"/"+pod.Name)
			}
		}
		return names
	}
	if r.happen(); len(names()) != 4 || d.going != 1 {
		t.Errorf("before their time %d pods are going, and there are %q", d.going, names())
	}
	r.now = r.now.Add(time.Minute)
	if r.happen(); d.going != 0 || !slices.Equal(names(), []string{"a: other/web", "a: apps/db", "b: apps/web"}) {
		t.Errorf("%d pods are going, and there are %q", d.going, names())
	}
}

func TestWithoutALimitOfTheClusterItIsNotWhatIsInTheWayForGood(t *testing.T) {
	none, one := intstr.FromInt32(0), intstr.FromInt32(1)
	for name, tc := range map[string]struct {
		limit *intstr.IntOrString
		want  bool
	}{
		"no limit": {nil, false}, "a limit of 0": {&none, true}, "a limit of 1": {&one, false},
	} {
		f := &fleet{first: newCluster(&plan.Snapshot{Nodes: []*model.Node{{Name: "a"}}, ClusterMaxUnavailable: tc.limit}, time.Unix(0, 0))}
		if got := f.permanent(&member{}, saying{reason: v1alpha1.ReasonClusterBudgetExhausted}); got != tc.want {
			t.Errorf("%s: permanent: %t", name, got)
		}
	}
}

func TestAGroupIsOneUnitOfItsZone(t *testing.T) {
	labeled := func(name, zone, group string) *model.Node {
		return &model.Node{Name: name, Labels: map[string]string{"zone": zone, "group": group}}
	}
	object := &v1alpha1.RebootPolicy{Spec: v1alpha1.RebootPolicySpec{Nodes: v1alpha1.NodesAll}}
	object.Spec.Rollout.Zones.TopologyKey = "zone"
	moment := model.NewMoment(time.Unix(0, 0))
	f := &fleet{first: newCluster(&plan.Snapshot{Nodes: []*model.Node{
		labeled("a1", "z1", "a"), labeled("a2", "z1", "a"), labeled("a3", "z1", "a"), labeled("b1", "z1", ""), labeled("b2", "z1", ""),
		labeled("a4", "z2", "a"),
	}}, time.Unix(0, 0))}
	for name, tc := range map[string]struct {
		group *v1alpha1.GroupSpec
		want  map[string]int
	}{
		"without groups": {nil, map[string]int{"z1": 5, "z2": 1}},
		"with groups":    {&v1alpha1.GroupSpec{Label: "group"}, map[string]int{"z1": 3, "z2": 1}},
	} {
		object.Spec.Rollout.Group = tc.group
		if diff := cmp.Diff(tc.want, f.countZones(policies.Parse(object, &moment))); diff != "" {
			t.Errorf("%s: units (-want +got):\n%s", name, diff)
		}
	}
}
