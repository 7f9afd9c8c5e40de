package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/test/bench/bound"
	"github.com/reboot-operator/reboot-operator/test/bench/ideal"
	"github.com/reboot-operator/reboot-operator/test/testbed"
)

var begin = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func second(n int) time.Time { return begin.Add(time.Duration(n) * time.Second) }

// seen is a NodeReboot at a second: its drain was ordered, and its slot given back.
func seen(at int, node string, ended bool) testbed.RebootRecord {
	ordered := metav1.NewMicroTime(second(at))
	record := testbed.RebootRecord{Moment: testbed.Moment{At: second(at), Version: uint64(at)}, Name: node, Node: node}
	record.Status.Attempt = &v1alpha1.Attempt{DrainOrderedTime: &ordered}
	if ended {
		record.Status.Attempt.EndedTime = &ordered
	}
	return record
}

// seenBack is a NodeReboot at a second at which its node takes pods again.
func seenBack(at int, node string) testbed.RebootRecord {
	record := seen(at, node, false)
	record.Status.Attempt.UncordonedTime = record.Status.Attempt.DrainOrderedTime
	return record
}

func TestTheLatencyOfASlotIsFromWhenANodeMayStart(t *testing.T) {
	var nodes []testbed.NodeOptions
	for _, name := range []string{"a1", "a2", "a3", "b1", "b2"} {
		nodes = append(nodes, testbed.NodeOptions{Name: name, Zone: name[:1]})
	}
	tests := map[string]struct {
		zones   v1alpha1.ZoneStrategy
		reboots []testbed.RebootRecord
		want    []time.Duration
	}{
		"the first wave waits for nothing": {
			reboots: []testbed.RebootRecord{seen(1, "a1", false), seen(2, "a2", false)},
		},
		"slots are taken in the order in which they become free": {
			zones: v1alpha1.ZonesAnyOrder,
			reboots: []testbed.RebootRecord{
				seen(1, "a1", false), seen(2, "a2", false), seen(10, "a1", true), seen(12, "a2", true), seen(13, "a3", false), seen(14, "b1", false),
			},
			want: []time.Duration{3 * time.Second, 2 * time.Second},
		},
		"a zone waits for the last node of the one before": {
			zones: v1alpha1.ZonesOneAtATime,
			reboots: []testbed.RebootRecord{
				seen(1, "a1", false), seen(2, "a2", false), seen(10, "a1", true), seen(11, "a3", false), seen(12, "a2", true),
				seen(20, "a3", true), seen(21, "b1", false), seen(22, "b2", false),
			},
			want: []time.Duration{time.Second, time.Second, 2 * time.Second},
		},
		"the others of a zone wait until the first takes pods again": {
			zones: v1alpha1.ZonesOneAtATime,
			reboots: []testbed.RebootRecord{
				seen(1, "a1", false), seenBack(10, "a1"), seen(11, "a2", false), seen(12, "a1", true), seen(14, "a3", false), seenBack(20, "a2"),
				seen(22, "a2", true), seen(23, "a3", true), seen(24, "b1", false), seenBack(30, "b1"), seen(33, "b2", false),
			},
			want: []time.Duration{time.Second, 2 * time.Second, time.Second, 3 * time.Second},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := outcome{scenario: scenario{nodes: nodes, zones: test.zones}, recording: testbed.Recording{Reboots: test.reboots}}
			if diff := cmp.Diff(test.want, o.slotToOrder()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheBoundIsMadeOfWhatStoodOnTheNodesAndOfWhatTheTestbedNeeded(t *testing.T) {
	app := testbed.AppKey{Kind: testbed.Deployment, Namespace: "apps", Name: "web"}
	pod := func(at int, uid, node string) testbed.PodRecord {
		return testbed.PodRecord{Moment: testbed.Moment{At: second(at), Version: uint64(at)}, App: app, UID: "uid", Name: uid, Node: node}
	}
	moved := pod(0, "p", "a1")
	ending, gone := moved, moved
	ending.At, ending.Terminating = second(5), true
	gone.At, gone.Terminating, gone.Gone = second(7), true, true
	o := outcome{
		scenario: scenario{
			slots: 1,
			nodes: []testbed.NodeOptions{
				{Name: "a1", Zone: "a", RebootDuration: 3 * time.Second}, {Name: "b1", Zone: "b", RebootDuration: 3 * time.Second},
			},
			apps: []testbed.App{{Name: "web", Replicas: 1, MaxUnavailable: ptr.To(1), ReadyAfter: time.Second, TerminateAfter: time.Second}},
		},
		recording: testbed.Recording{
			Pods: []testbed.PodRecord{moved, ending, gone},
			Hosts: map[string][]testbed.HostEvent{"a1": {
				{At: second(8), Kind: testbed.EventRebootAccepted}, {At: second(9), Kind: testbed.EventDown}, {At: second(12), Kind: testbed.EventUp},
			}},
		},
	}
	o.initial = ideal.Initial([]testbed.PodRecord{moved})
	// a1 is drained for 2 s and down for 4 s; b1 is empty, and its host was not seen.
	if got, want := bound.Of(o.ideal()), 6*time.Second+3100*time.Millisecond; got != want {
		t.Errorf("the bound is %s, want %s", got, want)
	}
	o.scenario.apps[0].AntiAffinity, o.scenario.apps[0].Replicas = true, 2
	if got, want := bound.Of(o.ideal()), 7*time.Second+3100*time.Millisecond; got != want {
		t.Errorf("with a replica that fits nowhere else the bound is %s, want %s", got, want)
	}
}

func TestTheTaintIsComparedByShares(t *testing.T) {
	run := func(waiting, made int, drain, total time.Duration) *outcome {
		return &outcome{
			landed:  landed{waiting: waiting, made: made},
			summary: testbed.Summary{Makespan: total, Reboots: []testbed.RebootSummary{{Drain: &drain}, {}}},
		}
	}
	m := taintFigures(run(2, 20, 6*time.Second, 70*time.Second), run(20, 50, 10*time.Second, 100*time.Second))
	var got []float64
	for _, f := range m.Figures[:3] {
		got = append(got, f.Value)
	}
	if diff := cmp.Diff([]float64{-75, -40, -30}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMovesOfTheManagerDoNotCount(t *testing.T) {
	app := func(namespace, name string, evictions, again int) testbed.AppSummary {
		key := testbed.AppKey{Kind: testbed.Deployment, Namespace: namespace, Name: name}
		return testbed.AppSummary{App: key, Evictions: evictions, Repeated: again}
	}
	o := outcome{
		scenario: scenario{apps: []testbed.App{{Name: "web"}, {Name: "shop"}}},
		summary: testbed.Summary{Apps: []testbed.AppSummary{
			app("apps", "web", 4, 1), app("apps", "shop", 2, 1), app(testbed.Namespace, "reboot-operator-manager", 3, 2),
		}},
	}
	if evictions, again := o.moves(); evictions != 6 || again != 2 {
		t.Errorf("%d evictions, %d again, want 6 and 2", evictions, again)
	}
}
