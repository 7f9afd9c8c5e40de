package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// managerPods are those of the manager that have not ended and are not being deleted.
func (r *reader) managerPods(ctx context.Context) ([]model.ManagerPod, error) {
	var list corev1.PodList
	if err := r.cache.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingLabels{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the manager's pods: %w", err)
	}
	var pods []model.ManagerPod
	for i := range list.Items {
		if pod := &list.Items[i]; !finished(pod) && pod.DeletionTimestamp.IsZero() {
			pods = append(pods, model.ManagerPod{Node: pod.Spec.NodeName, Ready: podReady(pod), Spec: pod.Spec})
		}
	}
	return pods, nil
}

func isManager(pod *corev1.Pod) bool {
	return pod.Labels[v1alpha1.ComponentLabel] == v1alpha1.ManagerComponent
}

// stripManager keeps what says where the pod runs, and where such a pod could.
func stripManager(pod *corev1.Pod) *corev1.Pod {
	stripped := &corev1.Pod{ObjectMeta: stripMeta(&pod.ObjectMeta)}
	stripped.Labels = map[string]string{v1alpha1.ComponentLabel: v1alpha1.ManagerComponent}
	stripped.Spec = corev1.PodSpec{
		NodeName: pod.Spec.NodeName, NodeSelector: pod.Spec.NodeSelector, Tolerations: pod.Spec.Tolerations,
	}
	if affinity := pod.Spec.Affinity; affinity != nil && affinity.NodeAffinity != nil {
		stripped.Spec.Affinity = &corev1.Affinity{NodeAffinity: affinity.NodeAffinity}
	}
	stripped.Status.Phase = pod.Status.Phase
	if ready := readyCondition(pod); ready != nil {
		stripped.Status.Conditions = []corev1.PodCondition{{Type: ready.Type, Status: ready.Status}}
	}
	return stripped
}

// managerChanged says whether a plan could see the difference between two states of a pod of the manager.
func managerChanged(before, after *corev1.Pod) bool {
	return metadataChanged(before, after) || finished(before) != finished(after) || podReady(before) != podReady(after) ||
		!equality.Semantic.DeepEqual(before.Spec, after.Spec)
}
