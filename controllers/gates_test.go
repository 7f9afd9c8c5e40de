package controllers

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// fakeGates answers what it is given, by kind.
type fakeGates struct {
	answers map[model.GateKind]model.GateAnswer
	invalid map[string]string
	asked   int
	kept    sets.Set[model.GateKind]
}

func (g *fakeGates) Answer(_ context.Context, _ []*v1alpha1.RebootPolicy, asks []model.GateQuery) map[model.GateKey]model.GateAnswer {
	g.asked++
	answers := map[model.GateKey]model.GateAnswer{}
	for _, ask := range asks {
		if answer, known := g.answers[ask.Kind]; known {
			answers[ask.GateKey] = answer
		}
	}
	return answers
}

func (g *fakeGates) Keep(_ []*v1alpha1.RebootPolicy, asks []model.GateQuery) {
	g.kept = sets.New[model.GateKind]()
	for _, ask := range asks {
		g.kept.Insert(ask.Kind)
	}
}

func (g *fakeGates) Invalid([]*v1alpha1.RebootPolicy) map[string]string { return g.invalid }

func TestReconcileAsksTheGatesThatAPlanAsksForWithinThePass(t *testing.T) {
	pass := map[model.GateKind]model.GateAnswer{
		model.GatePods: {}, model.GateObjects: {}, model.GateCapacity: {Nodes: map[string]string{"a": ""}},
	}
	alert := map[model.GateKind]model.GateAnswer{model.GatePods: {}, model.GateObjects: {Obstacle: "No."}}
	for name, tc := range map[string]struct {
		gates      *fakeGates
		wantReason string
		wantAsked  int
		wantKept   sets.Set[model.GateKind]
	}{
		// Pods, then objects, then room: each is asked when what comes before it has passed.
		"that pass":             {&fakeGates{answers: pass}, v1alpha1.ReasonDraining, 3, sets.New(model.GatePods, model.GateObjects, model.GateCapacity)},
		"one of which does not": {&fakeGates{answers: alert}, v1alpha1.ReasonBlockedByObject, 2, sets.New(model.GatePods, model.GateObjects)},
		"that are slow":         {&fakeGates{}, v1alpha1.ReasonGatePending, 1, sets.New(model.GatePods)},
		"that do not compile":   {&fakeGates{answers: pass, invalid: map[string]string{"p": "gate g"}}, v1alpha1.ReasonPolicyInvalid, 0, sets.New[model.GateKind]()},
	} {
		t.Run(name, func(t *testing.T) {
			objects := fleet(v1alpha1.ModeEnforce, "a")
			policy, _ := objects[0].(*v1alpha1.RebootPolicy)
			policy.Spec.Gates = v1alpha1.GatesSpec{
				Pods: []v1alpha1.PodGate{{Name: "g"}}, Objects: []v1alpha1.ObjectGate{{Name: "g"}}, Capacity: v1alpha1.Require,
			}
			w := newWorld(t, objects...)
			r := newReconciler(w, &fakePods{pods: map[string][]*corev1.Pod{"a": nil}})
			r.reader.gates = tc.gates
			if _, err := r.Reconcile(t.Context(), clusterKey); err != nil {
				t.Fatal(err)
			}
			if got := w.reboot(t, "ra").Status; got.Reason != tc.wantReason {
				t.Errorf("%s %q, want %s", got.Reason, got.Message, tc.wantReason)
			}
			if tc.gates.asked != tc.wantAsked || !tc.gates.kept.Equal(tc.wantKept) {
				t.Errorf("asked %d times, kept %v; want %d and %v", tc.gates.asked, tc.gates.kept, tc.wantAsked, tc.wantKept)
			}
		})
	}
}
