package testbed

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// at makes a moment of which the version is the second.
func at(n int) Moment { return Moment{At: second(n), Version: uint64(n)} }

func node(n int, name string, change ...func(*NodeRecord)) NodeRecord {
	record := NodeRecord{Moment: at(n), Name: name, Zone: name[:1], Ready: true}
	for _, c := range change {
		c(&record)
	}
	return record
}

func notReady(r *NodeRecord)       { r.Ready = false }
func cordoned(r *NodeRecord)       { r.Cordoned = true }
func tainted(r *NodeRecord)        { r.Tainted = true }
func inControlPlane(r *NodeRecord) { r.ControlPlane = true }
func nodeGone(r *NodeRecord)       { r.Gone = true }

func reboot(n int, node string, phase v1alpha1.Phase) RebootRecord {
	return RebootRecord{Moment: at(n), Name: node, Node: node, Status: v1alpha1.NodeRebootStatus{Phase: phase, PolicyName: "linux"}}
}

const (
	pending    = v1alpha1.PhasePending
	draining   = v1alpha1.PhaseDraining
	rebooting  = v1alpha1.PhaseRebooting
	recovering = v1alpha1.PhaseRecovering
	succeeded  = v1alpha1.PhaseSucceeded
	failed     = v1alpha1.PhaseFailed
)

func TestNodesDownAreCounted(t *testing.T) {
	tests := map[string]struct {
		nodes        []NodeRecord
		reboots      []RebootRecord
		want         []string
		wantByPolicy []string
		wantByZone   map[string]int
		wantControl  int
	}{
		"nothing is down": {
			nodes:   []NodeRecord{node(1, "a1"), node(2, "b1")},
			reboots: []RebootRecord{reboot(3, "a1", pending), reboot(4, "a1", succeeded)},
		},
		"one after the other": {
			nodes: []NodeRecord{node(1, "a1"), node(2, "b1")},
			reboots: []RebootRecord{
				reboot(3, "a1", draining), reboot(4, "a1", rebooting), reboot(5, "a1", recovering), reboot(6, "a1", succeeded),
				reboot(7, "b1", draining), reboot(8, "b1", succeeded),
			},
			want: []string{"a1"}, wantByPolicy: []string{"a1"}, wantByZone: map[string]int{"a": 1, "b": 1},
		},
		"the next begins before the last has recovered": {
			nodes:   []NodeRecord{node(1, "a1"), node(2, "b1")},
			reboots: []RebootRecord{reboot(3, "a1", recovering), reboot(4, "b1", draining), reboot(5, "a1", succeeded)},
			want:    []string{"a1", "b1"}, wantByPolicy: []string{"a1", "b1"}, wantByZone: map[string]int{"a": 1, "b": 1},
		},
		"down for another reason counts": {
			nodes:   []NodeRecord{node(1, "a1"), node(2, "b1"), node(3, "b2"), node(4, "b1", notReady), node(5, "b2", cordoned)},
			reboots: []RebootRecord{reboot(6, "a1", draining)},
			want:    []string{"a1", "b1", "b2"}, wantByPolicy: []string{"a1"}, wantByZone: map[string]int{"a": 1, "b": 2},
		},
		"a node under way that is cordoned and not ready counts once": {
			nodes:   []NodeRecord{node(1, "a1"), node(3, "a1", cordoned), node(4, "a1", cordoned, notReady)},
			reboots: []RebootRecord{reboot(2, "a1", draining)},
			want:    []string{"a1"}, wantByPolicy: []string{"a1"}, wantByZone: map[string]int{"a": 1},
		},
		"a node that is gone does not count": {
			nodes:   []NodeRecord{node(1, "a1"), node(2, "b1"), node(4, "a1", nodeGone), node(6, "b1", notReady)},
			reboots: []RebootRecord{reboot(3, "a1", draining), reboot(5, "b1", draining)},
			want:    []string{"a1"}, wantByPolicy: []string{"a1"}, wantByZone: map[string]int{"a": 1, "b": 1},
		},
		"a deleted NodeReboot and a failed one hold nothing": {
			nodes: []NodeRecord{node(1, "a1"), node(2, "b1")},
			reboots: []RebootRecord{
				reboot(3, "a1", draining), {Moment: at(4), Name: "a1", Node: "a1", Gone: true}, reboot(5, "b1", failed),
			},
			want: []string{"a1"}, wantByPolicy: []string{"a1"}, wantByZone: map[string]int{"a": 1},
		},
		"control plane": {
			nodes: []NodeRecord{node(1, "a1", inControlPlane), node(2, "b1", inControlPlane), node(3, "b1", inControlPlane, notReady)},
			want:  []string{"b1"}, wantByZone: map[string]int{"b": 1}, wantControl: 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := Summarize(Recording{Nodes: test.nodes, Reboots: test.reboots})
			byZone := map[string]int{}
			for zone, peak := range got.DownByZone {
				byZone[zone] = peak.Count
			}
			if len(test.wantByZone) == 0 {
				test.wantByZone = map[string]int{}
			}
			for _, diff := range []string{
				cmp.Diff(test.want, got.Down.Names), cmp.Diff(len(test.want), got.Down.Count),
				cmp.Diff(test.wantByPolicy, got.DownByPolicy["linux"].Names),
				cmp.Diff(test.wantByZone, byZone), cmp.Diff(test.wantControl, got.ControlPlaneDown.Count),
			} {
				if diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestZonesAreVisited(t *testing.T) {
	type visit struct {
		Zone         string
		ControlPlane bool
		From, To     int
		Nodes        []string
	}
	all := []NodeRecord{node(1, "a1"), node(2, "a2"), node(3, "b1"), node(4, "b2", inControlPlane)}
	tests := map[string]struct {
		reboots   []RebootRecord
		want      []visit
		wantZones int
	}{
		"a pause between nodes of one zone is the same visit": {
			reboots: []RebootRecord{
				reboot(10, "a1", draining), reboot(11, "a1", succeeded), reboot(12, "a2", draining), reboot(13, "a2", succeeded),
				reboot(14, "b1", draining), reboot(15, "b1", rebooting),
			},
			want: []visit{
				{Zone: "a", From: 10, To: 13, Nodes: []string{"a1", "a2"}}, {Zone: "b", From: 14, Nodes: []string{"b1"}},
			},
			wantZones: 1,
		},
		"back to a zone is another visit": {
			reboots: []RebootRecord{
				reboot(10, "a1", draining), reboot(11, "a1", succeeded), reboot(12, "b1", draining), reboot(13, "b1", succeeded),
				reboot(14, "a2", draining), reboot(15, "a2", succeeded),
			},
			want: []visit{
				{Zone: "a", From: 10, To: 11, Nodes: []string{"a1"}}, {Zone: "b", From: 12, To: 13, Nodes: []string{"b1"}},
				{Zone: "a", From: 14, To: 15, Nodes: []string{"a2"}},
			},
			wantZones: 1,
		},
		"two zones at once are seen": {
			reboots: []RebootRecord{
				reboot(10, "a1", draining), reboot(11, "b1", draining), reboot(12, "a1", succeeded), reboot(13, "b1", succeeded),
			},
			want: []visit{
				{Zone: "a", From: 10, To: 12, Nodes: []string{"a1"}}, {Zone: "b", From: 11, To: 13, Nodes: []string{"b1"}},
			},
			wantZones: 2,
		},
		"the control plane of a zone has its own turn": {
			reboots: []RebootRecord{
				reboot(10, "b1", draining), reboot(11, "b1", succeeded), reboot(12, "b2", draining), reboot(13, "b2", succeeded),
			},
			want: []visit{
				{Zone: "b", From: 10, To: 11, Nodes: []string{"b1"}},
				{Zone: "b", ControlPlane: true, From: 12, To: 13, Nodes: []string{"b2"}},
			},
			wantZones: 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			summary := Summarize(Recording{Nodes: all, Reboots: test.reboots})
			var got []visit
			for _, v := range summary.Visits {
				seen := visit{Zone: v.Zone, ControlPlane: v.ControlPlane, From: v.From.Second(), Nodes: v.Nodes}
				if !v.To.IsZero() {
					seen.To = v.To.Second()
				}
				got = append(got, seen)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if summary.ZonesUnderWay.Count != test.wantZones {
				t.Errorf("%d zones at once, want %d", summary.ZonesUnderWay.Count, test.wantZones)
			}
		})
	}
}

func TestOrderIsJudgedByVersionAndNotByArrival(t *testing.T) {
	late := reboot(4, "a1", succeeded)
	late.At = second(9)
	nodes := []NodeRecord{node(2, "b1"), node(1, "a1")}
	reboots := []RebootRecord{reboot(3, "a1", draining), reboot(5, "b1", draining), late}
	sortByVersion(nodes)
	sortByVersion(reboots)
	if got := Summarize(Recording{Nodes: nodes, Reboots: reboots}).Down.Count; got != 1 {
		t.Errorf("%d nodes down at once, want 1: the end of the first reboot was only seen late", got)
	}
}

func microTime(n int) *metav1.MicroTime { return &metav1.MicroTime{Time: second(n)} }

func TestEachPartOfARebootIsMeasured(t *testing.T) {
	last := reboot(30, "a1", succeeded)
	last.Status.Outcome, last.Status.Zone = v1alpha1.OutcomeSucceeded, "a"
	last.Status.Before, last.Status.After = &v1alpha1.BootInfo{BootID: "one"}, &v1alpha1.BootInfo{BootID: "two"}
	last.Status.Attempt = &v1alpha1.Attempt{
		GrantedTime: *microTime(10), DrainOrderedTime: microTime(11), DrainedTime: microTime(15), RebootOrderedTime: microTime(16),
		EndedTime: microTime(29),
	}
	ordered := reboot(12, "a1", draining)
	ordered.Status.Order = &v1alpha1.RebootOrder{Action: v1alpha1.ActionDrain}
	again, toReboot := reboot(14, "a1", draining), reboot(9, "a1", draining)
	again.Status.Order, toReboot.Status.Order = ordered.Status.Order, &v1alpha1.RebootOrder{Action: v1alpha1.ActionReboot}
	other := reboot(10, "c1", draining)
	other.Status.Order = ordered.Status.Order
	started := reboot(32, "b1", draining)
	started.Status.Order = ordered.Status.Order
	started.Status.Attempt = &v1alpha1.Attempt{GrantedTime: *microTime(25)}
	recording := Recording{
		Nodes: []NodeRecord{node(1, "a1", tainted), node(2, "a1"), node(7, "b1"), node(8, "a1", tainted), node(33, "b1", tainted)},
		Reboots: []RebootRecord{
			reboot(6, "a1", pending), toReboot, other, ordered, again, last, {Moment: at(31), Name: "a1", Node: "a1", Gone: true}, started,
			reboot(34, "d1", pending),
		},
		Hosts: map[string][]HostEvent{"a1": {
			{At: second(1), Kind: EventSentinelSet}, {At: second(3), Kind: EventDown}, {At: second(4), Kind: EventUp},
			{At: second(5), Kind: EventSentinelSet}, {At: second(17), Kind: EventDown}, {At: second(20), Kind: EventUp},
			{At: second(28), Kind: EventSentinelSet},
		}},
	}
	of := func(n int) *time.Duration { return new(time.Duration(n) * time.Second) }
	want := []RebootSummary{
		{
			Name: "a1", Node: "a1", Zone: "a", Policy: "linux", Phase: succeeded, Outcome: v1alpha1.OutcomeSucceeded,
			Before: v1alpha1.BootInfo{BootID: "one"}, After: v1alpha1.BootInfo{BootID: "two"},
			SentinelToTaint: of(3), TaintedBeforeDrain: true, TaintLead: of(4), Drain: of(4), Downtime: of(3), Recovery: of(9), Held: of(19),
		},
		{Name: "c1", Node: "c1", Policy: "linux", Phase: draining},
		{Name: "b1", Node: "b1", Policy: "linux", Phase: draining},
		{Name: "d1", Node: "d1", Policy: "linux", Phase: pending},
	}
	summary := Summarize(recording)
	if diff := cmp.Diff(want, summary.Reboots); diff != "" {
		t.Error(diff)
	}
	if summary.Makespan != 19*time.Second {
		t.Errorf("makespan is %s, want 19s", summary.Makespan)
	}
}

func TestAViewIsWhatWasSeenLast(t *testing.T) {
	recording := Recording{
		Nodes:   []NodeRecord{node(1, "b1"), node(2, "a1"), node(3, "c1"), node(4, "b1", cordoned), node(5, "c1", nodeGone)},
		Reboots: []RebootRecord{reboot(6, "a1", pending), reboot(7, "a1", draining)},
	}
	want := View{
		Nodes:   []NodeRecord{node(2, "a1"), node(4, "b1", cordoned)},
		Reboots: []RebootRecord{reboot(7, "a1", draining)},
	}
	if diff := cmp.Diff(want, recording.View()); diff != "" {
		t.Error(diff)
	}
}
