package projection

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// ManagerPods are those of the manager's pods that have not ended and are not being deleted.
func ManagerPods(list []corev1.Pod) []model.ManagerPod {
	var pods []model.ManagerPod
	for i := range list {
		if pod := &list[i]; !Finished(pod) && pod.DeletionTimestamp.IsZero() {
			pods = append(pods, model.ManagerPod{Node: pod.Spec.NodeName, Ready: PodReady(pod), Spec: pod.Spec})
		}
	}
	return pods
}

// IsManager says that a pod of the operator is one of the manager.
func IsManager(pod *corev1.Pod) bool {
	return pod.Labels[v1alpha1.ComponentLabel] == v1alpha1.ManagerComponent
}

// StripManager keeps what says where the pod runs, and where such a pod could.
func StripManager(pod *corev1.Pod) *corev1.Pod {
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
