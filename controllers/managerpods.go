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

// managerPods are those of the manager that have not ended and are not being deleted.
func (r *reader) managerPods(ctx context.Context) ([]model.ManagerPod, error) {
	var list corev1.PodList
	if err := r.cache.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingLabels{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the manager's pods: %w", err)
	}
	return projection.ManagerPods(list.Items), nil
}

// managerChanged says whether a plan could see the difference between two states of a pod of the manager.
func managerChanged(before, after *corev1.Pod) bool {
	return metadataChanged(before, after) || projection.Finished(before) != projection.Finished(after) ||
		projection.PodReady(before) != projection.PodReady(after) || !equality.Semantic.DeepEqual(before.Spec, after.Spec)
}
