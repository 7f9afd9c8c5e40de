package controllers

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
)

// podLister counts lists of pods.
type podLister struct {
	client.Reader
	lists int
	err   error
}

func (l *podLister) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	l.lists++
	if l.err != nil {
		return l.err
	}
	return l.Reader.List(ctx, list, options...)
}

// ownPod is the pod of a component on a node.
func ownPod(name, node, component string, ready corev1.ConditionStatus) *corev1.Pod {
	return newPod(name, labeled(componentLabel, component), func(p *corev1.Pod) {
		p.Namespace, p.Spec.NodeName = testNamespace, node
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	})
}

func TestOwnPodsAreListedOnlyAfterOneChanged(t *testing.T) {
	helper := ownPod("h", "a", helperComponent, corev1.ConditionFalse)
	w := newWorld(t, helper, ownPod("m", "b", v1alpha1.ManagerComponent, corev1.ConditionTrue))
	lister := &podLister{Reader: w}
	r := &reader{cache: lister, interest: &interest{}, namespace: testNamespace}
	var events kindWatch
	for _, watched := range watches(r.interest, nil, nil) {
		if watched.came(helper) {
			events = watched
		}
	}
	read := func(want int, why string) *operatorPods {
		t.Helper()
		lister.lists = 0
		pods, err := r.ownPods(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if lister.lists != want {
			t.Errorf("%s: there were %d lists, want %d", why, lister.lists, want)
		}
		return pods
	}
	if pods := read(2, "nothing is known"); len(pods.managers) != 1 || pods.helpers["a"].Ready {
		t.Errorf("they are %v", pods)
	}
	read(0, "nothing changed")

	ready := helper.DeepCopy()
	ready.Status.Conditions[0].Status = corev1.ConditionTrue
	if err := w.Status().Update(t.Context(), ready); err != nil {
		t.Fatal(err)
	}
	if !events.changed(helper, ready) {
		t.Error("a helper that is Ready asks for no pass")
	}
	if pods := read(2, "a helper changed"); !pods.helpers["a"].Ready {
		t.Errorf("they are %v", pods)
	}
	read(0, "nothing changed since")

	// What asks for no pass is there in the next one regardless.
	moved := ready.DeepCopy()
	moved.Annotations = map[string]string{"note": "x"}
	if events.changed(ready, moved) {
		t.Error("an annotation asks for a pass")
	}
	read(2, "a helper was annotated")

	if err := w.Delete(t.Context(), ready); err != nil {
		t.Fatal(err)
	}
	if !events.went(ready) {
		t.Error("a helper that is gone asks for no pass")
	}
	if pods := read(2, "a helper went"); len(pods.helpers) != 0 {
		t.Errorf("they are %v", pods)
	}

	events.came(helper)
	lister.err = errors.New("refused")
	if _, err := r.ownPods(t.Context()); !errors.Is(err, lister.err) {
		t.Errorf("it ended with %v", err)
	}
	lister.err = nil
	read(2, "the last list failed")
	read(0, "it did not fail again")
}

func TestOwnPodsAreListedInEachPassWhileNoWatchCounts(t *testing.T) {
	lister := &podLister{Reader: newWorld(t)}
	r := &reader{cache: lister, interest: &interest{}, namespace: testNamespace}
	for range 2 {
		if _, err := r.ownPods(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if lister.lists != 4 {
		t.Errorf("there were %d lists, want 4", lister.lists)
	}
}
