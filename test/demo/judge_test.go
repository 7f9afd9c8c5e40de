package demo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

// kept is a rollout in which every promise was kept.
func kept() *result {
	reboot := testbed.RebootSummary{
		Name: "worker-a1", Node: "worker-a1", Zone: "a", Policy: "p", Outcome: v1alpha1.OutcomeSucceeded, Reason: v1alpha1.ReasonProved,
		Before: v1alpha1.BootInfo{BootID: "1"}, After: v1alpha1.BootInfo{BootID: "2"}, SentinelToTaint: ptr.To(50 * time.Millisecond),
	}
	r := &result{
		maxUnavailable:    1,
		minAvailable:      map[string]int{"web": 2},
		zoneNodes:         map[string]int{"a": 3},
		workerZones:       []string{"b", "a"},
		controlPlaneZones: []string{"a"},
		accepted:          map[string]int{"worker-a1": 1},
		lag:               &testbed.Lag{},
	}
	r.policy.Rollout.Zones.Strategy = v1alpha1.ZonesOneAtATime
	r.policy.Rollout.Zones.MaxUnavailablePerZone = ptr.To(intstr.FromInt32(1))
	r.policy.Rollout.ControlPlane = v1alpha1.ControlPlaneLast
	r.summary = testbed.Summary{
		DownByPolicy: map[string]testbed.Peak{"p": {Count: 1}}, DownByZone: map[string]testbed.Peak{"a": {Count: 1}},
		ControlPlaneDown: testbed.Peak{Count: 1}, ZonesUnderWay: testbed.Peak{Count: 1},
		Visits:  []testbed.ZoneVisit{{Zone: "b"}, {Zone: "a"}, {Zone: "a", ControlPlane: true}},
		Reboots: []testbed.RebootSummary{reboot},
		Apps:    []testbed.AppSummary{{App: testbed.AppKey{Name: "web"}, Replicas: 3, Ready: 3, LeastReady: 2}},
	}
	return r
}

func TestARolloutThatKeptEveryPromiseIsNotBlamed(t *testing.T) {
	if broken := kept().broken(); len(broken) != 0 {
		t.Errorf("broken: %q", broken)
	}
}

func TestEachBrokenPromiseIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(*result)
		want   string
	}{
		"late taint":      {func(r *result) { r.summary.Reboots[0].SentinelToTaint = ptr.To(2 * time.Second) }, "early taint"},
		"no taint":        {func(r *result) { r.summary.Reboots[0].SentinelToTaint = nil }, "early taint"},
		"start in pause":  {func(r *result) { r.startedPaused = []string{"x"} }, "paused"},
		"budget":          {func(r *result) { r.summary.DownByPolicy["p"] = testbed.Peak{Count: 2} }, "budget"},
		"budget of zone":  {func(r *result) { r.summary.DownByZone["a"] = testbed.Peak{Count: 2} }, "budget"},
		"zones at once":   {func(r *result) { r.summary.ZonesUnderWay.Count = 2 }, "zones"},
		"order of zones":  {func(r *result) { r.workerZones = []string{"a", "b"} }, "zones: the order"},
		"zone left early": {func(r *result) { r.summary.Visits = slices.Insert(r.summary.Visits, 2, testbed.ZoneVisit{Zone: "b"}) }, "zones: the order"},
		"two masters":     {func(r *result) { r.summary.ControlPlaneDown.Count = 2 }, "control plane"},
		"masters first":   {func(r *result) { r.policy.Rollout.ControlPlane = v1alpha1.ControlPlaneFirst }, "control plane"},
		"same boot":       {func(r *result) { r.summary.Reboots[0].After.BootID = "1" }, "proof"},
		"failed":          {func(r *result) { r.summary.Reboots[0].Outcome = v1alpha1.OutcomeFailed }, "proof"},
		"told twice":      {func(r *result) { r.accepted["worker-a1"] = 2 }, "at most once"},
		"never told":      {func(r *result) { r.accepted["worker-a1"] = 0 }, "at most once"},
		"too few ready":   {func(r *result) { r.summary.Apps[0].LeastReady = 1 }, "recovery"},
		"not recovered":   {func(r *result) { r.summary.Apps[0].Ready = 2 }, "recovery"},
		"left cordoned":   {func(r *result) { r.left = []string{"x is still cordoned"} }, "ownership"},
		"no reason":       {func(r *result) { r.unexplained = []string{"x"} }, "reasons"},
		"not silent":      {func(r *result) { r.idleWrites = []string{"x"} }, "idle"},
	} {
		t.Run(name, func(t *testing.T) {
			r := kept()
			test.damage(r)
			if broken := r.broken(); len(broken) != 1 || !strings.Contains(broken[0], test.want) {
				t.Errorf("broken: %q, want one with %q", broken, test.want)
			}
		})
	}
}

func TestZonesAreExpectedInThePolicysOrderThenByName(t *testing.T) {
	got := strings.Join(orderedZones([]string{"a", "b", "c", "d"}, []string{"c", "x", "b"}), "")
	if got != "cbad" {
		t.Errorf("order %s, want cbad", got)
	}
}

func TestWritesAreCountedFromWhenTheNodesAsk(t *testing.T) {
	asked := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	write := func(resource string, at time.Time) testbed.Request {
		return testbed.Request{Actor: "manager", Verb: "patch", Resource: resource, At: at}
	}
	got := countWrites([]testbed.Request{
		write("secrets", asked.Add(-time.Second)), write("nodes", asked), write("leases", asked), write("pods/eviction", asked),
		write("nodes", asked.Add(time.Second)),
	}, asked)
	if diff := cmp.Diff(map[string]int{"manager nodes": 2}, got); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}
