package controllers

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/cache"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/internal/intern"
	"github.com/reboot-operator/reboot-operator/internal/podlabels"
)

// componentLabel and helperComponent mark helper pods.
const (
	componentLabel  = v1alpha1.ComponentLabel
	helperComponent = "helper"
)

// ownPods selects the pods of the helpers and of the manager.
func ownPods() labels.Selector {
	either, err := labels.NewRequirement(componentLabel, selection.In, []string{helperComponent, v1alpha1.ManagerComponent})
	if err != nil {
		return labels.Nothing() // there is nothing invalid in it
	}
	return labels.NewSelector().Add(*either)
}

// CacheOptions says what a manager for this package caches: of Nodes, workloads and VolumeAttachments only the fields that a plan reads, of
// pods only the helpers and managers in the operator's namespace, of Leases only those in the namespaces that are named. What is cut off is
// gone for good, so nothing read from this cache may be sent back as a whole. Of finished NodeReboots it keeps what a plan reads; those
// cannot be sent at all.
func CacheOptions(namespace string, leaseNamespaces ...string) crcache.Options {
	leases := make(map[string]crcache.Config, len(leaseNamespaces))
	for _, named := range leaseNamespaces {
		leases[named] = crcache.Config{}
	}
	options := crcache.Options{
		DefaultTransform: stripOther,
		ByObject: map[client.Object]crcache.ByObject{
			&corev1.Node{}:         {Transform: transform(stripNode)},
			&v1alpha1.NodeReboot{}: {Transform: transform(keepReboot)},
			&corev1.Pod{}: {
				Namespaces: map[string]crcache.Config{namespace: {}},
				Label:      ownPods(),
				Transform:  transform(stripOwn),
			},
			&appsv1.DaemonSet{}: {
				Namespaces: map[string]crcache.Config{namespace: {}},
				Label:      labels.SelectorFromSet(labels.Set{componentLabel: helperComponent}),
				Transform:  transform(stripHelperSet),
			},
			&appsv1.Deployment{}:            {Transform: transform(stripDeployment)},
			&appsv1.StatefulSet{}:           {Transform: transform(stripStatefulSet)},
			&policyv1.PodDisruptionBudget{}: {Transform: transform(stripBudget)},
			&storagev1.VolumeAttachment{}:   {Transform: transform(stripVolumeAttachment)},
			definition():                    {Transform: transform(stripDefinition)},
		},
	}
	if len(leases) > 0 {
		options.ByObject[&coordinationv1.Lease{}] = crcache.ByObject{Namespaces: leases, Transform: transform(stripLease)}
	}
	return options
}

// ClientOptions says how a manager's client for this package behaves: a read waits until the cache has seen every write of this process.
// Without that, a pass could count a budget from the state before its predecessor's grants.
func ClientOptions() client.Options {
	readYourWrites := true
	return client.Options{
		Cache:      &client.CacheOptions{EnableReadYourWritesConsistency: &readYourWrites},
		FieldOwner: v1alpha1.ManagerFieldManager,
	}
}

// transform makes an informer's transform of a projection. Anything but a T (a tombstone) passes unchanged.
func transform[T any](project func(T) T) cache.TransformFunc {
	return func(object any) (any, error) {
		if typed, ok := object.(T); ok {
			return project(typed), nil
		}
		return object, nil
	}
}

// stripMeta keeps what names and versions an object. DeletionTimestamp says that it is going.
func stripMeta(meta *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: meta.Namespace, Name: meta.Name, UID: meta.UID,
		ResourceVersion: meta.ResourceVersion, Generation: meta.Generation, DeletionTimestamp: meta.DeletionTimestamp,
	}
}

// nodeAnnotations are those that a plan reads.
var nodeAnnotations = []string{
	v1alpha1.CordonAnnotation, v1alpha1.MarksAnnotation, v1alpha1.ScaleDownDisabledAnnotation, v1alpha1.DoNotDisruptAnnotation,
}

// stripNode keeps what a plan reads. Nodes have most of their labels, taints and conditions in common.
func stripNode(node *corev1.Node) *corev1.Node {
	stripped := &corev1.Node{ObjectMeta: stripMeta(&node.ObjectMeta)}
	stripped.Name, stripped.Labels = intern.Text(node.Name), intern.Map(node.Labels)
	for _, key := range nodeAnnotations {
		if value, ok := node.Annotations[key]; ok {
			metav1.SetMetaDataAnnotation(&stripped.ObjectMeta, key, value)
		}
	}
	stripped.Spec.Taints = slices.Clone(node.Spec.Taints)
	for i := range stripped.Spec.Taints {
		taint := &stripped.Spec.Taints[i]
		taint.Key, taint.Value, taint.Effect = intern.Text(taint.Key), intern.Text(taint.Value), intern.Text(taint.Effect)
	}
	stripped.Spec.Unschedulable = node.Spec.Unschedulable
	stripped.Status.NodeInfo.BootID = node.Status.NodeInfo.BootID
	stripped.Status.NodeInfo.KernelVersion = intern.Text(node.Status.NodeInfo.KernelVersion)
	stripped.Status.NodeInfo.OSImage = intern.Text(beginning(node.Status.NodeInfo.OSImage))
	stripped.Status.Conditions = make([]corev1.NodeCondition, len(node.Status.Conditions))
	for i := range node.Status.Conditions {
		c := &node.Status.Conditions[i]
		// The heartbeat is left out. Any other condition may be named by a policy, and only its status counts.
		kept := corev1.NodeCondition{Type: intern.Text(c.Type), Status: intern.Text(c.Status), LastTransitionTime: c.LastTransitionTime}
		if slices.Contains(plan.MaintenanceConditions, c.Type) {
			kept.Reason, kept.Message = c.Reason, c.Message
		}
		stripped.Status.Conditions[i] = kept
	}
	return stripped
}

// stripOther is the transform of the kinds that have none of their own.
func stripOther(object any) (any, error) {
	if maintenance, is := object.(*unstructured.Unstructured); is {
		return stripMaintenance(maintenance), nil
	}
	return crcache.TransformStripManagedFields()(object)
}

const (
	// maxText is how many bytes are kept of a text that the API server takes in any length.
	maxText = 253
	// maxSelector is how many bytes the selector of a PodDisruptionBudget takes that is kept.
	maxSelector = 8 << 10
)

// stripPod keeps what a model.Pod is made of. Whoever may create pods writes nearly all of it, so nothing is kept that may be of any size.
// Of many labels, those with the named keys are among the ones that stay.
func stripPod(pod *corev1.Pod, named sets.Set[string]) *corev1.Pod {
	stripped := &corev1.Pod{ObjectMeta: stripMeta(&pod.ObjectMeta)}
	podlabels.Copy(stripped, pod, named)
	if isMirror(pod) {
		metav1.SetMetaDataAnnotation(&stripped.ObjectMeta, corev1.MirrorPodAnnotationKey, "")
	}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		stripped.OwnerReferences = []metav1.OwnerReference{stripOwner(owner)}
	}
	stripped.Spec.NodeName, stripped.Spec.Priority = pod.Spec.NodeName, pod.Spec.Priority
	if hasEmptyDir(pod) {
		stripped.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	}
	stripped.Status.Phase = pod.Status.Phase
	if ready := readyCondition(pod); ready != nil {
		stripped.Status.Conditions = []corev1.PodCondition{{Type: ready.Type, Status: ready.Status}}
	}
	stripped.Status.ContainerStatuses = stripStates(pod.Status.ContainerStatuses)
	stripped.Status.InitContainerStatuses = stripStates(pod.Status.InitContainerStatuses)
	return stripped
}

// stripOwner keeps what says which workload a pod belongs to.
func stripOwner(owner *metav1.OwnerReference) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: beginning(owner.APIVersion), Kind: beginning(owner.Kind), Name: beginning(owner.Name), Controller: owner.Controller,
	}
}

// beginning of a text, which does not hold on to the rest.
func beginning(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.Clone(text[:maxText])
}

// stripOwn is for pods of the operator.
func stripOwn(pod *corev1.Pod) *corev1.Pod {
	if isManager(pod) {
		return stripManager(pod)
	}
	return stripHelper(pod)
}

// helperLabels are those that are kept of the pods of helpers, which have them in common.
var helperLabels = map[string]string{componentLabel: helperComponent}

// stripHelper keeps where the pod of a helper runs, and what says why it is not Ready.
func stripHelper(pod *corev1.Pod) *corev1.Pod {
	stripped := &corev1.Pod{ObjectMeta: stripMeta(&pod.ObjectMeta)}
	stripped.Namespace, stripped.Labels = intern.Text(pod.Namespace), helperLabels
	stripped.Spec.NodeName, stripped.Status.Phase = intern.Text(pod.Spec.NodeName), intern.Text(pod.Status.Phase)
	if ready := readyCondition(pod); ready != nil {
		stripped.Status.Conditions = []corev1.PodCondition{{Type: intern.Text(ready.Type), Status: intern.Text(ready.Status)}}
	}
	if podReady(pod) {
		return stripped
	}
	stripped.Status.Reason, stripped.Status.Message = pod.Status.Reason, pod.Status.Message
	stripped.Status.ContainerStatuses = make([]corev1.ContainerStatus, 0, len(pod.Status.ContainerStatuses))
	for i := range pod.Status.ContainerStatuses {
		status := &pod.Status.ContainerStatuses[i]
		stripped.Status.ContainerStatuses = append(stripped.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: status.Name, Image: status.Image, Ready: status.Ready, ContainerID: shortID(status.ContainerID),
			State: status.State, LastTerminationState: status.LastTerminationState,
		})
	}
	return stripped
}

// stripStates keeps the containers that run.
func stripStates(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	var stripped []corev1.ContainerStatus
	for i := range statuses {
		if statuses[i].State.Running != nil {
			stripped = append(stripped, corev1.ContainerStatus{
				ContainerID: shortID(statuses[i].ContainerID), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			})
		}
	}
	return stripped
}

func stripDeployment(d *appsv1.Deployment) *appsv1.Deployment {
	stripped := &appsv1.Deployment{ObjectMeta: stripMeta(&d.ObjectMeta)}
	stripped.Spec.Replicas = d.Spec.Replicas
	stripped.Status.ObservedGeneration = d.Status.ObservedGeneration
	stripped.Status.ReadyReplicas = d.Status.ReadyReplicas
	return stripped
}

func stripStatefulSet(s *appsv1.StatefulSet) *appsv1.StatefulSet {
	stripped := &appsv1.StatefulSet{ObjectMeta: stripMeta(&s.ObjectMeta)}
	stripped.Spec.Replicas = s.Spec.Replicas
	stripped.Status.ObservedGeneration = s.Status.ObservedGeneration
	stripped.Status.ReadyReplicas = s.Status.ReadyReplicas
	return stripped
}

func stripBudget(b *policyv1.PodDisruptionBudget) *policyv1.PodDisruptionBudget {
	stripped := &policyv1.PodDisruptionBudget{ObjectMeta: stripMeta(&b.ObjectMeta)}
	stripped.Spec.Selector = b.Spec.Selector
	if b.Spec.Selector.Size() > maxSelector {
		// It counts as one of all pods of its namespace: more is waited for, and nothing is evicted that it keeps.
		stripped.Spec.Selector = &metav1.LabelSelector{}
	}
	stripped.Status.ObservedGeneration = b.Status.ObservedGeneration
	stripped.Status.CurrentHealthy = b.Status.CurrentHealthy
	stripped.Status.ExpectedPods = b.Status.ExpectedPods
	stripped.Status.DisruptionsAllowed = b.Status.DisruptionsAllowed
	return stripped
}
