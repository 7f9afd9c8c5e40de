package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// maintenanceLeases is the namespace in which Leases are honored.
const maintenanceLeases = "medik8s-leases"

// lease of a maintenance of node a, held by nmo since testNow for an hour.
func lease(options ...option[*coordinationv1.Lease]) *coordinationv1.Lease {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: maintenanceLeases, Name: "node-a", UID: "u"}}
	l.Spec.HolderIdentity, l.Spec.RenewTime, l.Spec.LeaseDurationSeconds = ptr.To("nmo"), at(0), ptr.To[int32](3600)
	for _, o := range options {
		o(l)
	}
	return l
}

func nodeMaintenance(node string) *unstructured.Unstructured {
	object := objectOf(medik8sMaintenance)
	object.SetName("nm")
	object.Object["spec"] = map[string]any{"nodeName": node}
	return object
}

var medik8sMaintenance = maintenanceKinds["nodemaintenances.nodemaintenance.medik8s.io"]

// lease of a holder whose clock is a day behind would be over by that clock.
var aDayBehind = func(l *coordinationv1.Lease) { l.Spec.RenewTime = at(-24 * 3600) }

func TestReadFindsTheMaintenanceByOthers(t *testing.T) {
	held := model.OtherMaintenance{Object: "Lease medik8s-leases/node-a is held by nmo", Until: testNow.Add(time.Hour)}
	condition := func(reason string, status corev1.ConditionStatus, t corev1.NodeConditionType) option[*corev1.Node] {
		return func(n *corev1.Node) {
			n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: t, Status: status, Reason: reason})
		}
	}
	for name, test := range map[string]struct {
		node    *corev1.Node
		objects []client.Object
		// maintained are the nodes that NodeMaintenances are about.
		maintained []string
		// namespaced are nodes that objects of that kind in a namespace are about.
		namespaced []string
		// unknown are kinds whose objects cannot be read.
		unknown []schema.GroupVersionKind
		want    []model.OtherMaintenance
	}{
		"none":    {},
		"a lease": {objects: []client.Object{lease()}, want: []model.OtherMaintenance{held}},
		"a lease of a holder whose clock is behind": {objects: []client.Object{lease(aDayBehind)}, want: []model.OtherMaintenance{held}},
		"a lease without a duration":                {objects: []client.Object{lease(func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = nil })}},
		"a lease that was never renewed":            {objects: []client.Object{lease(func(l *coordinationv1.Lease) { l.Spec.RenewTime = nil })}},
		"a lease for a year": {objects: []client.Object{lease(func(l *coordinationv1.Lease) {
			l.Spec.LeaseDurationSeconds = ptr.To[int32](365 * 24 * 3600)
		})}},
		"a lease for as long as is honored": {
			objects: []client.Object{lease(func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = ptr.To[int32](4 * 3600) })},
			want:    []model.OtherMaintenance{{Object: held.Object, Until: testNow.Add(4 * time.Hour)}},
		},
		"a lease for a second more": {objects: []client.Object{lease(func(l *coordinationv1.Lease) {
			l.Spec.LeaseDurationSeconds = ptr.To[int32](4*3600 + 1)
		})}},
		"a NodeMaintenance in a namespace": {namespaced: []string{"a"}},
		"a lease that nobody holds":        {objects: []client.Object{lease(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })}},
		"a lease that was given back":      {objects: []client.Object{lease(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = ptr.To("") })}},
		"a lease of another node":          {objects: []client.Object{lease(func(l *coordinationv1.Lease) { l.Name = "node-b" })}},
		"a lease of another kind":          {objects: []client.Object{lease(func(l *coordinationv1.Lease) { l.Name = "a" })}},
		"a lease of another namespace":     {objects: []client.Object{lease(func(l *coordinationv1.Lease) { l.Namespace = "kube-node-lease" })}},
		"a NodeMaintenance":                {maintained: []string{"b", "a"}, want: []model.OtherMaintenance{{Object: "NodeMaintenance nm is about it"}}},
		"a NodeMaintenance of another":     {maintained: []string{"b"}},
		"a lease that is being deleted": {objects: []client.Object{lease(func(l *coordinationv1.Lease) {
			l.DeletionTimestamp, l.Finalizers = ptr.To(metav1.NewTime(testNow)), []string{"example.com/held"}
		})}},
		"a lease and a NodeMaintenance": {
			objects: []client.Object{lease()}, maintained: []string{"a"},
			want: []model.OtherMaintenance{held, {Object: "NodeMaintenance nm is about it"}},
		},
		"NodeMaintenances that cannot be read": {
			objects: []client.Object{lease()}, unknown: []schema.GroupVersionKind{medik8sMaintenance},
			want: []model.OtherMaintenance{held, {
				Object: "that is assumed, because objects of kind NodeMaintenance (nodemaintenance.medik8s.io/v1beta1) cannot be read",
			}},
		},
		"a condition of another tool": {
			node: newNode("a", condition("Theirs", corev1.ConditionTrue, plan.DrainInProgress)),
			want: []model.OtherMaintenance{{Object: "condition DrainInProgress of the node was set by another tool"}},
		},
		"a maintenance that is only planned": {node: newNode("a", condition("Theirs", corev1.ConditionTrue, plan.MaintenancePlanned))},
		"a condition that is not True":       {node: newNode("a", condition("Theirs", corev1.ConditionFalse, plan.Drained))},
		"a condition of the operator":        {node: newNode("a", condition(plan.MaintenanceReason, corev1.ConditionTrue, plan.Drained))},
	} {
		t.Run(name, func(t *testing.T) {
			if test.node == nil {
				test.node = newNode("a")
			}
			w := newWorld(t, append(test.objects, test.node)...)
			maintenances := fakeMaintenances{unknown: test.unknown}
			for _, node := range test.maintained {
				maintenances.objects = append(maintenances.objects, *nodeMaintenance(node))
			}
			for _, node := range test.namespaced {
				object := nodeMaintenance(node)
				object.SetNamespace("tenant")
				maintenances.objects = append(maintenances.objects, *object)
			}
			r := newReader(w, noPods{})
			r.maintenances = maintenances
			s, err := r.read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, s.Nodes[0].OtherMaintenance); diff != "" {
				t.Errorf("maintenance (-want +got):\n%s", diff)
			}
		})
	}
}

// Anyone who may create a namespace chooses its name.
func TestNoLeaseIsHonoredUnlessAnAdministratorNamesItsNamespace(t *testing.T) {
	r := newReader(newWorld(t, newNode("a"), lease()), noPods{})
	r.leaseNamespaces = nil
	s, err := r.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Nodes[0].OtherMaintenance; len(got) != 0 {
		t.Errorf("the node waits for %v", got)
	}
	for kind := range CacheOptions(testNamespace).ByObject {
		if _, is := kind.(*coordinationv1.Lease); is {
			t.Error("Leases are cached")
		}
	}
}

func TestALeaseThatIsNotHonoredIsToldOfOnce(t *testing.T) {
	endless := lease(func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = nil })
	w := newWorld(t, newNode("a"), endless)
	r := newReader(w, noPods{})
	read := func() []notice {
		t.Helper()
		s, err := r.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.notices
	}
	first := read()
	if len(first) != 1 || first[0].about.GetName() != "node-a" || first[0].event.Reason != reasonLeaseNotHonored || !first[0].event.Warning {
		t.Fatalf("notices are %+v, want a warning about the Lease", first)
	}
	const want = "The Lease has no leaseDurationSeconds. No node waits for it: set leaseDurationSeconds, to 14400 or less, and renewTime, " +
		"and renew it in time."
	if got := first[0].event.Message; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if again := read(); len(again) != 0 {
		t.Errorf("%d notices in the next pass", len(again))
	}
}

func TestCacheKeepsOfALeaseWhatItSays(t *testing.T) {
	node, want := projection.LeaseMaintenance(lease(), testNow)
	gotNode, got := projection.LeaseMaintenance(projection.StripLease(lease()), testNow)
	if diff := cmp.Diff(want, got); diff != "" || !projection.IsMaintenance(projection.StripLease(lease())) || gotNode != node {
		t.Errorf("node %q (-want +got):\n%s", gotNode, diff)
	}
}

func TestSignsOfMaintenanceAskForAPassIfTheyComeOrGo(t *testing.T) {
	renewed := lease(func(l *coordinationv1.Lease) { l.Spec.RenewTime = at(600) })
	freed := lease(func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil })
	shorter := lease(func(l *coordinationv1.Lease) { l.Spec.LeaseDurationSeconds = ptr.To[int32](60) })
	if !leaseChanged(projection.StripLease(lease()), projection.StripLease(shorter)) {
		t.Error("Lease: want a pass for one that ends sooner")
	}
	if leaseChanged(lease(), renewed) || !leaseChanged(lease(), freed) ||
		!leaseChanged(projection.StripLease(freed), projection.StripLease(lease())) {
		t.Error("Lease: want no pass for a renewal, and one for another holder")
	}
	of := nodeMaintenance
	if nodeMaintenanceChanged(of("a"), of("a")) || !nodeMaintenanceChanged(of("a"), of("b")) {
		t.Error("NodeMaintenance: want a pass for another node alone")
	}
}

func TestConditionsOfNodesAskForAPassIfAPolicyNamesThem(t *testing.T) {
	deadlocked := newNode("a", func(n *corev1.Node) {
		n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: "KernelDeadlock", Status: corev1.ConditionTrue})
	})
	i := &interest{}
	if i.nodeChanged(newNode("a"), deadlocked) {
		t.Error("a pass before a policy names it")
	}
	i.setConditions([]corev1.NodeConditionType{"KernelDeadlock"})
	if !i.nodeChanged(projection.StripNode(newNode("a")), projection.StripNode(deadlocked)) || i.nodeChanged(deadlocked, deadlocked) {
		t.Error("want a pass for the condition that a policy names")
	}
}
