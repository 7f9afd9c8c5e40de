package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// operatorPods are what a plan has to know of the operator's own pods. Passes change them in place, so no snapshot may keep them.
type operatorPods struct {
	// helpers are the helper pods by node. A node without one has no entry.
	helpers map[string][]projection.HelperPod
	// managers are those of the manager that have not ended and are not being deleted.
	managers []model.ManagerPod
}

// ownPods are those of the last pass, except for those that came, changed or went since. There is a helper on each node, and a client
// copies all that it lists.
func (r *reader) ownPods(ctx context.Context) (*operatorPods, error) {
	// What changes after this is read in the next pass, whether or not it is in this one.
	changed, known := r.interest.ownPods.take()
	last := r.kept.ownPods
	r.kept.ownPods = nil // until all of it is read
	if last == nil || !known {
		helpers, err := r.listOwnPods(ctx, helperComponent)
		if err != nil {
			return nil, err
		}
		last, changed = &operatorPods{helpers: projection.Helpers(helpers)}, ownPodsChanged{managers: true}
		r.kept.nodeViews.allHelpers = true
	}
	if changed.managers {
		managers, err := r.listOwnPods(ctx, v1alpha1.ManagerComponent)
		if err != nil {
			return nil, err
		}
		last.managers = projection.ManagerPods(managers)
	}
	if err := r.readHelpers(ctx, last.helpers, changed.helpers); err != nil {
		return nil, err
	}
	r.kept.ownPods = last
	return last, nil
}

// readHelpers brings single helpers up to date.
func (r *reader) readHelpers(ctx context.Context, helpers map[string][]projection.HelperPod, changed sets.Set[place]) error {
	names := sets.New[string]()
	for was := range changed {
		names.Insert(was.pod)
		r.kept.nodeViews.helperChanged(was.node)
		if remaining := withoutPod(helpers[was.node], was.pod); len(remaining) > 0 {
			helpers[was.node] = remaining
		} else {
			delete(helpers, was.node)
		}
	}
	for name := range names {
		var pod corev1.Pod
		err := r.cache.Get(ctx, types.NamespacedName{Namespace: r.namespace, Name: name}, &pod, client.UnsafeDisableDeepCopy)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the helper pod %s: %w", name, err)
		}
		if helper, counts := projection.HelperPodOf(&pod); counts && !projection.IsManager(&pod) {
			// What was noted of the pod may have been only a part of what happened, and it may be there already.
			r.kept.nodeViews.helperChanged(pod.Spec.NodeName)
			helpers[pod.Spec.NodeName] = append(withoutPod(helpers[pod.Spec.NodeName], name), helper)
		}
	}
	return nil
}

func withoutPod(pods []projection.HelperPod, name string) []projection.HelperPod {
	return slices.DeleteFunc(pods, func(pod projection.HelperPod) bool { return pod.Name == name })
}

func (r *reader) listOwnPods(ctx context.Context, component string) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := r.cache.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingLabels{componentLabel: component}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the pods of the %s: %w", component, err)
	}
	return list.Items, nil
}

// managerChanged says whether a plan could see the difference between two states of a pod of the manager.
func managerChanged(before, after *corev1.Pod) bool {
	return metadataChanged(before, after) || projection.Finished(before) != projection.Finished(after) ||
		projection.PodReady(before) != projection.PodReady(after) || !equality.Semantic.DeepEqual(before.Spec, after.Spec)
}

// ownPodsChanged are the operator's own pods that came, changed or went.
type ownPodsChanged struct {
	helpers  sets.Set[place]
	managers bool
}

// place is a pod on a node.
type place struct{ pod, node string }

// ownPodEvents collects what watches see of the operator's own pods from one pass to the next.
type ownPodEvents struct {
	mu sync.Mutex
	// watched says that a watch notes what it sees.
	watched bool
	// taken says that there was a pass. A manager that only stands by makes none, and its first one lists all pods.
	taken   bool
	changed ownPodsChanged
}

func (e *ownPodEvents) watch() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watched = true
}

// note that something happened to pods.
func (e *ownPodEvents) note(pods ...*corev1.Pod) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.taken {
		return
	}
	for _, pod := range pods {
		if projection.IsManager(pod) {
			e.changed.managers = true
			continue
		}
		if e.changed.helpers == nil {
			e.changed.helpers = sets.New[place]()
		}
		e.changed.helpers.Insert(place{pod: pod.Name, node: pod.Spec.NodeName})
	}
}

// take returns what was noted since it was taken last, and whether that is all that happened.
func (e *ownPodEvents) take() (changed ownPodsChanged, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	changed, known = e.changed, e.watched && e.taken
	e.changed, e.taken = ownPodsChanged{}, true
	return changed, known
}
