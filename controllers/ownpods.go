package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// operatorPods are what a plan has to know of the operator's own pods. They are never changed.
type operatorPods struct {
	// helpers are those of each node that has a helper pod. A pod that is being deleted does not count.
	helpers map[string]projection.Helper
	// managers are those of the manager that have not ended and are not being deleted.
	managers []model.ManagerPod
	// version is how many events there had been before they were listed.
	version uint64
}

// ownPods are those of the last pass unless one came, changed or went since. There is a helper on each node, and a client copies all of
// them into a list.
func (r *reader) ownPods(ctx context.Context) (*operatorPods, error) {
	// What changes after this is in the next list, whether or not it is in this one.
	version := r.interest.ownPods.Load()
	if last := r.kept.ownPods; last != nil && last.version == version && version != 0 {
		return last, nil
	}
	helpers, err := r.listOwnPods(ctx, helperComponent)
	if err != nil {
		return nil, err
	}
	managers, err := r.listOwnPods(ctx, v1alpha1.ManagerComponent)
	if err != nil {
		return nil, err
	}
	r.kept.ownPods = &operatorPods{helpers: projection.Helpers(helpers), managers: projection.ManagerPods(managers), version: version}
	return r.kept.ownPods, nil
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
