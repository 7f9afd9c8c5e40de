package controllers

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// podLister counts reads of pods.
type podLister struct {
	client.Reader
	lists, gets int
	err         error
}

func (l *podLister) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	l.lists++
	if l.err != nil {
		return l.err
	}
	return l.Reader.List(ctx, list, options...)
}

func (l *podLister) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	l.gets++
	if l.err != nil {
		return l.err
	}
	return l.Reader.Get(ctx, key, object, options...)
}

// ownPod is the pod of a component on a node.
func ownPod(name, node, component string, ready corev1.ConditionStatus) *corev1.Pod {
	return newPod(name, labeled(componentLabel, component), func(p *corev1.Pod) {
		p.Namespace, p.Spec.NodeName = testNamespace, node
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	})
}

// ownPodsBed reads the operator's own pods, and has the events of their watch.
type ownPodsBed struct {
	*testing.T
	world  *world
	reader *reader
	lister *podLister
	events kindWatch
}

func newOwnPodsBed(t *testing.T, pods ...client.Object) *ownPodsBed {
	t.Helper()
	b := &ownPodsBed{T: t, world: newWorld(t, pods...)}
	b.lister = &podLister{Reader: b.world}
	b.reader = &reader{cache: b.lister, interest: &interest{}, namespace: testNamespace}
	for _, watched := range watches(b.reader.interest, nil, nil) {
		if watched.came(ownPod("any", "", helperComponent, corev1.ConditionFalse)) {
			b.events = watched
		}
	}
	return b
}

// read says how many lists and reads of single pods that takes.
func (b *ownPodsBed) read(lists, gets int, why string) *operatorPods {
	b.Helper()
	b.lister.lists, b.lister.gets = 0, 0
	pods, err := b.reader.ownPods(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if b.lister.lists != lists || b.lister.gets != gets {
		b.Errorf("%s: %d lists and %d reads, want %d and %d", why, b.lister.lists, b.lister.gets, lists, gets)
	}
	all, err := b.reader.listOwnPods(b.Context(), helperComponent)
	if err != nil {
		b.Fatal(err)
	}
	byName := cmpopts.SortSlices(func(a, b projection.HelperPod) bool { return a.Name < b.Name })
	if diff := cmp.Diff(projection.Helpers(all), pods.helpers, byName); diff != "" {
		b.Errorf("%s: other helpers than a list would show (-list +got):\n%s", why, diff)
	}
	return pods
}

// replace a pod by another one of its name.
func (b *ownPodsBed) replace(before, after *corev1.Pod) {
	b.Helper()
	b.must(b.world.Delete(b.Context(), before))
	b.must(b.world.Create(b.Context(), after))
}

func (b *ownPodsBed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func TestOwnPodsAreListedOnceAndReadAgainOneByOne(t *testing.T) {
	helper := ownPod("h", "a", helperComponent, corev1.ConditionFalse)
	b := newOwnPodsBed(t, helper, ownPod("o", "b", helperComponent, corev1.ConditionTrue),
		ownPod("m", "b", v1alpha1.ManagerComponent, corev1.ConditionTrue))
	if pods := b.read(2, 0, "nothing is known"); len(pods.managers) != 1 {
		t.Errorf("they are %v", pods)
	}
	b.read(0, 0, "nothing changed")

	ready := helper.DeepCopy()
	ready.Status.Conditions[0].Status = corev1.ConditionTrue
	b.must(b.world.Status().Update(t.Context(), ready))
	if !b.events.changed(helper, ready) {
		t.Error("a helper that is Ready asks for no pass")
	}
	b.read(0, 1, "a helper changed")
	b.read(0, 0, "nothing changed since")

	// The next pass reads it although it asked for none.
	annotated := ready.DeepCopy()
	annotated.Annotations = map[string]string{"note": "x"}
	if b.events.changed(ready, annotated) {
		t.Error("an annotation asks for a pass")
	}
	b.read(0, 1, "a helper was annotated")

	second := ownPod("second", "a", helperComponent, corev1.ConditionFalse)
	b.must(b.world.Create(t.Context(), second))
	b.events.came(second)
	b.read(0, 1, "a node has two helper pods")
	b.must(b.world.Delete(t.Context(), ready))
	if !b.events.went(ready) {
		t.Error("a helper that is gone asks for no pass")
	}
	b.read(0, 1, "a helper went")
	b.must(b.world.Delete(t.Context(), second))
	b.events.went(second)
	if pods := b.read(0, 1, "the other one went"); len(pods.helpers) != 1 {
		t.Errorf("they are %v", pods)
	}
}

// A DaemonSet makes its pods without a node, and the scheduler binds them.
func TestAHelperCountsFromWhenItIsBound(t *testing.T) {
	unbound, bound := ownPod("h", "", helperComponent, corev1.ConditionTrue), ownPod("h", "a", helperComponent, corev1.ConditionTrue)
	b := newOwnPodsBed(t, unbound)
	b.read(2, 0, "nothing is known")
	b.replace(unbound, bound)
	b.events.changed(unbound, bound)
	if pods := b.read(0, 1, "it is bound"); len(pods.helpers["a"]) != 1 {
		t.Errorf("they are %v", pods)
	}
}

// The cache is ahead of the events that it is about to send.
func TestAHelperIsThereOnceAlthoughOnlyAPartOfWhatHappenedWasNoted(t *testing.T) {
	before, after := ownPod("h", "a", helperComponent, corev1.ConditionTrue), ownPod("h", "b", helperComponent, corev1.ConditionTrue)
	b := newOwnPodsBed(t, before)
	b.read(2, 0, "nothing is known")
	b.replace(before, after)
	for range 2 {
		b.events.went(before)
		b.read(0, 1, "the cache has what came after it")
	}
}

func TestAHelperThatIsBeingDeletedDoesNotCount(t *testing.T) {
	helper := ownPod("h", "a", helperComponent, corev1.ConditionTrue)
	helper.Finalizers = []string{"example.com/f"}
	b := newOwnPodsBed(t, helper)
	b.read(2, 0, "nothing is known")
	going := helper.DeepCopy()
	b.must(b.world.Delete(t.Context(), going))
	b.must(b.world.Get(t.Context(), client.ObjectKeyFromObject(going), going))
	if !b.events.changed(helper, going) {
		t.Error("a helper that is being deleted asks for no pass")
	}
	if pods := b.read(0, 1, "it is being deleted"); len(pods.helpers) != 0 {
		t.Errorf("they are %v", pods)
	}
}

func TestAManagerWithTheNameOfAHelperThatIsGoneIsNoHelper(t *testing.T) {
	helper := ownPod("h", "a", helperComponent, corev1.ConditionTrue)
	manager := ownPod("h", "a", v1alpha1.ManagerComponent, corev1.ConditionTrue)
	b := newOwnPodsBed(t, helper)
	b.read(2, 0, "nothing is known")
	b.replace(helper, manager)
	b.events.changed(helper, manager)
	if pods := b.read(1, 1, "a manager is there instead"); len(pods.helpers) != 0 || len(pods.managers) != 1 {
		t.Errorf("they are %v", pods)
	}
}

// It makes no pass that would take them, and may stand by for months.
func TestAManagerThatStandsByCollectsNoEvents(t *testing.T) {
	helper := ownPod("h", "a", helperComponent, corev1.ConditionTrue)
	b := newOwnPodsBed(t, helper)
	b.events.came(helper)
	b.events.changed(helper, helper)
	b.events.went(helper)
	if changed := b.reader.interest.ownPods.changed; changed.helpers.Len() > 0 || changed.managers {
		t.Errorf("it collected %v", changed)
	}
	b.read(2, 0, "the first pass")
	b.events.went(helper)
	b.read(0, 1, "a pass later")
}

// A watch that was interrupted may show that a pod was replaced as a change.
func TestAHelperThatIsOnAnotherNodeNowIsNotOnTheOldOne(t *testing.T) {
	before, after := ownPod("h", "a", helperComponent, corev1.ConditionTrue), ownPod("h", "b", helperComponent, corev1.ConditionTrue)
	b := newOwnPodsBed(t, before)
	b.read(2, 0, "nothing is known")
	b.replace(before, after)
	if !b.events.changed(before, after) {
		t.Error("a helper on another node asks for no pass")
	}
	b.read(0, 1, "it is elsewhere")
}

func TestManagersAreListedWhenOneOfThemChanged(t *testing.T) {
	manager := ownPod("m", "b", v1alpha1.ManagerComponent, corev1.ConditionTrue)
	b := newOwnPodsBed(t, manager)
	b.read(2, 0, "nothing is known")
	b.must(b.world.Delete(t.Context(), manager))
	b.events.went(manager)
	if pods := b.read(1, 0, "a manager went"); len(pods.managers) != 0 {
		t.Errorf("they are %v", pods)
	}
}

func TestOwnPodsAreListedAgainAfterSomeCouldNotBeRead(t *testing.T) {
	helper := ownPod("h", "a", helperComponent, corev1.ConditionTrue)
	manager := ownPod("m", "b", v1alpha1.ManagerComponent, corev1.ConditionTrue)
	b := newOwnPodsBed(t, helper, manager)
	for _, pod := range []*corev1.Pod{helper, manager, helper} {
		b.lister.err = errors.New("refused")
		b.events.came(pod)
		if _, err := b.reader.ownPods(t.Context()); !errors.Is(err, b.lister.err) {
			t.Errorf("it ended with %v", err)
		}
		b.lister.err = nil
		b.read(2, 0, "the last time it failed")
		b.read(0, 0, "it did not fail again")
	}
}

func TestOwnPodsAreListedInEachPassWhileNoWatchNotesThem(t *testing.T) {
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
