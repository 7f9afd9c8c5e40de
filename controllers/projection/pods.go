package projection

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/podlabels"
)

// Lookup finds what says which workloads pods belong to.
type Lookup struct {
	// Budgets are the PodDisruptionBudgets of a namespace.
	Budgets func(namespace string) ([]policyv1.PodDisruptionBudget, error)
	// HasDeployment says whether there is a Deployment.
	HasDeployment func(namespace, name string) (bool, error)
}

// Pods makes what a plan sees of pods. It looks once at the budgets of each namespace, so it is good for one pass.
type Pods struct {
	lookup Lookup
	known  *KnownBudgets
	// budgets of the namespaces that were looked at.
	budgets map[string]*namespaceBudgets
}

// NewPods makes the projection of pods for one pass. What is known of budgets is kept for the next one.
func NewPods(known *KnownBudgets, lookup Lookup) *Pods {
	known.begin()
	return &Pods{lookup: lookup, known: known, budgets: map[string]*namespaceBudgets{}}
}

// Project returns what a plan sees of the pods.
func (p *Pods) Project(pods []*corev1.Pod) ([]model.Pod, error) {
	projected := make([]model.Pod, 0, len(pods))
	for _, pod := range pods {
		workloads, err := p.workloads(pod)
		if err != nil {
			return nil, err
		}
		view := model.Pod{
			Namespace:   pod.Namespace,
			Name:        pod.Name,
			Labels:      pod.Labels,
			Annotations: pod.Annotations,
			Workloads:   workloads,
			Controlled:  metav1.GetControllerOfNoCopy(pod) != nil,
			Mirror:      isMirror(pod),
			EmptyDir:    hasEmptyDir(pod),
			Finished:    Finished(pod),
			Terminating: !pod.DeletionTimestamp.IsZero(),
			Ready:       PodReady(pod),
			Priority:    ptr.Deref(pod.Spec.Priority, 0),
			Containers:  runningContainers(pod),
		}
		projected = append(projected, view)
	}
	return projected, nil
}

// Finished says that the pod ended and does not run again. A static pod that failed, as a graceful shutdown of its node leaves it, does: it
// is down.
func Finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed && !isMirror(pod)
}

// isMirror: the kubelet runs the pod from a file.
func isMirror(pod *corev1.Pod) bool {
	_, is := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return is
}

func hasEmptyDir(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.EmptyDir != nil })
}

// workloads that a pod belongs to: its controller, if it is of a kind that is waited for, and every PodDisruptionBudget that covers it.
func (p *Pods) workloads(pod *corev1.Pod) ([]model.WorkloadKey, error) {
	var keys []model.WorkloadKey
	controller, err := p.controller(pod)
	if err != nil {
		return nil, err
	}
	if controller != nil {
		keys = append(keys, *controller)
	}
	budgets, err := p.namespaceBudgets(pod.Namespace)
	if err != nil {
		return nil, err
	}
	for _, budget := range budgets.mayCover(pod) {
		// One that covers the pod or may do so is waited for.
		if covers, known := podlabels.Match(budget.selector, pod); covers || !known {
			keys = append(keys, model.WorkloadKey{
				Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: pod.Namespace, Name: budget.name,
			})
		}
	}
	return keys, nil
}

func (p *Pods) controller(pod *corev1.Pod) (*model.WorkloadKey, error) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil || !strings.HasPrefix(owner.APIVersion, appsv1.GroupName+"/") {
		return nil, nil
	}
	switch owner.Kind {
	case "DaemonSet":
		return &model.WorkloadKey{Kind: v1alpha1.WorkloadDaemonSet, Namespace: pod.Namespace, Name: owner.Name}, nil
	case "StatefulSet":
		return &model.WorkloadKey{Kind: v1alpha1.WorkloadStatefulSet, Namespace: pod.Namespace, Name: owner.Name}, nil
	case "ReplicaSet":
		return p.deployment(pod, owner.Name)
	}
	return nil, nil
}

// deployment finds the Deployment of a ReplicaSet by name: the Deployment controller names a ReplicaSet after its Deployment and the
// template's hash, and puts the hash on the pods as a label. That saves a cache of all ReplicaSets.
func (p *Pods) deployment(pod *corev1.Pod, replicaSet string) (*model.WorkloadKey, error) {
	name, ok := strings.CutSuffix(replicaSet, "-"+pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey])
	if !ok {
		return nil, nil
	}
	switch exists, err := p.lookup.HasDeployment(pod.Namespace, name); {
	case err != nil:
		return nil, err //nolint:wrapcheck // the lookup says what was read
	case !exists:
		return nil, nil
	}
	return &model.WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: pod.Namespace, Name: name}, nil
}

func (p *Pods) namespaceBudgets(namespace string) (*namespaceBudgets, error) {
	if budgets, ok := p.budgets[namespace]; ok {
		return budgets, nil
	}
	list, err := p.lookup.Budgets(namespace)
	if err != nil {
		return nil, err //nolint:wrapcheck // the lookup says what was read
	}
	budgets := p.known.of(namespace, list)
	p.budgets[namespace] = budgets
	return budgets, nil
}

func readyCondition(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == corev1.PodReady {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// PodReady says that the pod has the condition Ready.
func PodReady(pod *corev1.Pod) bool {
	ready := readyCondition(pod)
	return ready != nil && ready.Status == corev1.ConditionTrue
}

// containerID is how much of a container's ID is kept: enough to distinguish the containers of one node.
const containerID = 12

// runningContainers are short IDs of the containers of a pod that run, sidecars included, in order.
func runningContainers(pod *corev1.Pod) []string {
	var ids []string
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range statuses {
			if id := shortID(statuses[i].ContainerID); id != "" && statuses[i].State.Running != nil {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// shortID is the beginning of an ID such as containerd://4f1c..., without what it is an ID of.
func shortID(id string) string {
	if _, rest, is := strings.Cut(id, "://"); is {
		id = rest
	}
	return strings.ToValidUTF8(strings.Clone(id[:min(len(id), containerID)]), "?")
}

// StripPod keeps what a model.Pod is made of. Anyone who may create pods writes nearly all of it, so nothing is kept that may be of any
// size. Of many labels, those with the named keys are among the ones that stay.
func StripPod(pod *corev1.Pod, named sets.Set[string]) *corev1.Pod {
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
