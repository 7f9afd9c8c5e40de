package helper

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/reboot-operator/reboot-operator/internal/podlabels"
	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

const (
	// maxText is how many bytes are kept of a text in a pod that the API server takes in any length.
	maxText = 253
	// templateHash is the label from which the name of a ReplicaSet reveals its Deployment.
	templateHash = "pod-template-hash"
	// maxFinalizers is how many finalizers of a pod are kept.
	maxFinalizers = 10
)

// slim keeps what a drain looks at. A pod may have more than a megabyte, and its node a hundred pods.
func slim(pod *corev1.Pod, named sets.Set[string]) *corev1.Pod {
	kept := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
		GenerateName: beginning(pod.GenerateName), DeletionTimestamp: pod.DeletionTimestamp,
		Finalizers: slices.Clone(pod.Finalizers[:min(len(pod.Finalizers), maxFinalizers)]),
	}}
	podlabels.Copy(kept, pod, named)
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		metav1.SetMetaDataAnnotation(&kept.ObjectMeta, corev1.MirrorPodAnnotationKey, "")
	}
	if owner := firstOwner(pod); owner != nil {
		kept.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: beginning(owner.APIVersion), Kind: beginning(owner.Kind), Name: beginning(owner.Name), UID: owner.UID,
			Controller: owner.Controller,
		}}
	}
	if slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.EmptyDir != nil }) {
		kept.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	}
	kept.Spec.EvictionResponders = keptResponders(pod)
	kept.Status.Phase = pod.Status.Phase
	if runs(pod) {
		kept.Status.ContainerStatuses = []corev1.ContainerStatus{{
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}
	}
	return kept
}

// firstOwner of a pod: its controller, or the first owner if none of them is the controller; nil if it has none.
func firstOwner(pod *corev1.Pod) *metav1.OwnerReference {
	if controller := metav1.GetControllerOfNoCopy(pod); controller != nil || len(pod.OwnerReferences) == 0 {
		return controller
	}
	return &pod.OwnerReferences[0]
}

// beginning of a text, as much as is kept.
func beginning(text string) string { return shorten.Beginning(text, maxText) }

// keys are those of the labels and annotations that the filter, and what is said about a pod, depend on.
func (f *podFilter) keys() sets.Set[string] {
	keys := sets.New(templateHash).Insert(slices.Concat(f.selector.Keys())...)
	for _, stage := range f.stages {
		keys.Insert(slices.Concat(stage.Keys())...)
	}
	if f.leftIn != "" {
		keys.Insert(slices.Concat(f.left.Keys())...)
	}
	return keys
}
