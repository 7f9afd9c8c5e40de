package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// readyAt is a node whose condition Ready changed last at a time, by the clock of its host.
func readyAt(status corev1.ConditionStatus, transition time.Time) *corev1.Node {
	return newNode("a", func(n *corev1.Node) {
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, LastTransitionTime: metav1.NewTime(transition)}}
	})
}

func TestAConditionIsTimedByWhenItsStatusWasSeenFirstWhateverTheClockOfItsHostSays(t *testing.T) {
	const up, down = corev1.ConditionTrue, corev1.ConditionFalse
	// Each look is a minute after the one before.
	type look struct {
		status corev1.ConditionStatus
		// clock of the host at the last transition.
		clock time.Time
	}
	tomorrow, yesterday := testNow.Add(24*time.Hour), testNow.Add(-24*time.Hour)
	for name, test := range map[string]struct {
		looks []look
		// want is how many minutes after the first look the status of the last one was seen first.
		want int
	}{
		"the first look":                                      {[]look{{up, yesterday}}, 0},
		"a host whose clock is ahead":                         {[]look{{up, tomorrow}, {up, tomorrow}}, 0},
		"a status that stays":                                 {[]look{{up, yesterday}, {up, yesterday}, {up, yesterday}}, 0},
		"another status":                                      {[]look{{up, yesterday}, {down, testNow}}, 1},
		"another status with the same time":                   {[]look{{up, testNow}, {down, testNow}}, 1},
		"twice another status between two looks":              {[]look{{up, yesterday}, {up, testNow}}, 1},
		"the same after the host's clock was set back":        {[]look{{up, tomorrow}, {up, yesterday}, {up, yesterday}}, 1},
		"back to the status from before, with a time of then": {[]look{{up, testNow}, {down, testNow}, {up, testNow}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(testNow)
			o := newObserved(clock)
			var got time.Time
			for i, look := range test.looks {
				clock.SetTime(testNow.Add(time.Duration(i) * time.Minute))
				got = o.ofNode(projection.StripNode(readyAt(look.status, look.clock)))[0].Since
			}
			if want := testNow.Add(time.Duration(test.want) * time.Minute); !got.Equal(want) {
				t.Errorf("since %s, want %s", got, want)
			}
		})
	}
}

func TestAConditionKeepsItsTimeWhenOthersComeAndGo(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testNow)
	o := newObserved(clock)
	o.lookFor([]corev1.NodeConditionType{"KernelDeadlock"})
	node := readyAt(corev1.ConditionTrue, testNow)
	o.ofNode(node)
	clock.SetTime(testNow.Add(time.Minute))
	node = node.DeepCopy() // a cache replaces what changes
	node.Status.Conditions = append([]corev1.NodeCondition{{Type: "KernelDeadlock", Status: corev1.ConditionTrue}}, node.Status.Conditions...)
	got := o.ofNode(node)
	if !got[0].Since.Equal(testNow.Add(time.Minute)) || !got[1].Since.Equal(testNow) {
		t.Errorf("since %s and %s", got[0].Since, got[1].Since)
	}
}

// Thousands of nodes have a dozen conditions each.
func TestOnlyConditionsThatMatterAreKept(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testNow)
	o := newObserved(clock)
	node := readyAt(corev1.ConditionTrue, testNow)
	for _, other := range []corev1.NodeConditionType{"KernelDeadlock", corev1.NodeDiskPressure} {
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: other, Status: corev1.ConditionTrue})
	}
	for i, step := range []struct {
		types []corev1.NodeConditionType
		// want is since how many minutes after the first look each type counts.
		want map[corev1.NodeConditionType]int
	}{
		{nil, map[corev1.NodeConditionType]int{"Ready": 0}},
		{[]corev1.NodeConditionType{"KernelDeadlock"}, map[corev1.NodeConditionType]int{"Ready": 0, "KernelDeadlock": 1}},
		{[]corev1.NodeConditionType{"KernelDeadlock", "Missing"}, map[corev1.NodeConditionType]int{"Ready": 0, "KernelDeadlock": 1}},
		{[]corev1.NodeConditionType{"DiskPressure"}, map[corev1.NodeConditionType]int{"Ready": 0, "DiskPressure": 3}},
		{[]corev1.NodeConditionType{"KernelDeadlock"}, map[corev1.NodeConditionType]int{"Ready": 0, "KernelDeadlock": 4}},
	} {
		clock.SetTime(testNow.Add(time.Duration(i) * time.Minute))
		o.lookFor(step.types)
		got := map[corev1.NodeConditionType]int{}
		for _, c := range o.ofNode(node) {
			got[c.Type] = int(c.Since.Sub(testNow).Minutes())
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("while %v matter (-want +got):\n%s", step.types, diff)
		}
	}
}

func TestAnotherNodeOfTheSameNameIsSeenForTheFirstTime(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testNow)
	o := newObserved(clock)
	first, second := readyAt(corev1.ConditionTrue, testNow), readyAt(corev1.ConditionTrue, testNow)
	second.UID = "another"
	o.ofNode(first)
	o.ofHelper(first.UID, false)
	clock.SetTime(testNow.Add(time.Minute))
	later := testNow.Add(time.Minute)
	if got := o.ofNode(second)[0].Since; !got.Equal(later) {
		t.Errorf("Ready since %s", got)
	}
	if got := o.ofHelper(second.UID, false); !got.Equal(later) {
		t.Errorf("helper since %s", got)
	}
}

func TestAHelperIsTimedByWhenItsReadinessWasSeenFirst(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testNow)
	o := newObserved(clock)
	var got []int
	for i, ready := range []bool{false, false, true, false, false} {
		clock.SetTime(testNow.Add(time.Duration(i) * time.Minute))
		got = append(got, int(o.ofHelper("n", ready).Sub(testNow).Minutes()))
	}
	if diff := cmp.Diff([]int{0, 0, 2, 3, 3}, got); diff != "" {
		t.Errorf("minutes (-want +got):\n%s", diff)
	}
}

func TestALeaseHoldsFromWhenItsRenewalCameNotFromWhenAPassReadIt(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(testNow)
	w := newWorld(t, newNode("a"), lease())
	r := &reader{
		slotsKnown: &slotsMemory{},
		cache:      w, live: w, pods: noPods{}, gates: noGates{}, maintenances: fakeMaintenances{}, observed: newObserved(clock),
		interest: &interest{}, namespace: testNamespace, leaseNamespaces: []string{maintenanceLeases},
	}
	until := func() time.Time {
		s, err := r.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Nodes[0].OtherMaintenance[0].Until
	}
	if got := until(); !got.Equal(testNow.Add(time.Hour)) {
		t.Errorf("until %s at the first look, want an hour from then", got)
	}
	renewed := &coordinationv1.Lease{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: maintenanceLeases, Name: "node-a"}, renewed); err != nil {
		t.Fatal(err)
	}
	renewed.Spec.RenewTime = at(-7) // the clock of its holder is behind
	if err := w.Update(t.Context(), renewed); err != nil {
		t.Fatal(err)
	}
	clock.SetTime(testNow.Add(10 * time.Minute))
	r.observed.sawLease(projection.StripLease(renewed)) // as its watch does
	clock.SetTime(testNow.Add(50 * time.Minute))
	if got := until(); !got.Equal(testNow.Add(70 * time.Minute)) {
		t.Errorf("until %s, want an hour from the renewal", got)
	}
}

func TestWhatIsGoneIsForgotten(t *testing.T) {
	o := newObserved(testClock)
	const many = 100
	var nodes []*corev1.Node
	var leases []coordinationv1.Lease
	for i := range many {
		node, l := newNode("a"), lease()
		node.UID, l.UID = types.UID(fmt.Sprint(i)), types.UID(fmt.Sprint(i))
		nodes, leases = append(nodes, node), append(leases, *l)
		o.ofNode(node)
		o.ofHelper(node.UID, true)
		o.ofLease(l)
	}
	o.keepNodes(nodes[:3])
	o.keepLeases(leases[:2])
	if len(o.conditions) != 3 || len(o.helpers) != 3 || len(o.leases) != 2 {
		t.Errorf("%d nodes, %d helpers, %d Leases are remembered", len(o.conditions), len(o.helpers), len(o.leases))
	}
}
