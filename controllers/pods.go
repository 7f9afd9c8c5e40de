package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/internal/podlabels"
)

// podProjection makes plan.Pods. It remembers what it read of each namespace, so it is good for one pass.
type podProjection struct {
	cache   client.Reader
	budgets map[string][]budgetSelector
}

// budgetSelector is a PodDisruptionBudget and which pods it covers.
type budgetSelector struct {
	name     string
	selector labels.Selector
}

func newPodProjection(cache client.Reader) *podProjection {
	return &podProjection{cache: cache, budgets: map[string][]budgetSelector{}}
}

func (p *podProjection) pods(ctx context.Context, pods []*corev1.Pod) ([]model.Pod, error) {
	projected := make([]model.Pod, 0, len(pods))
	for _, pod := range pods {
		workloads, err := p.workloads(ctx, pod)
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
			Finished:    finished(pod),
			Terminating: !pod.DeletionTimestamp.IsZero(),
			Ready:       podReady(pod),
			Priority:    ptr.Deref(pod.Spec.Priority, 0),
			Containers:  runningContainers(pod),
		}
		projected = append(projected, view)
	}
	return projected, nil
}

// finished: the pod ended and does not run again. A static pod that failed, as a graceful shutdown of its node leaves it, does: it is down.
func finished(pod *corev1.Pod) bool {
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
func (p *podProjection) workloads(ctx context.Context, pod *corev1.Pod) ([]model.WorkloadKey, error) {
	var keys []model.WorkloadKey
	controller, err := p.controller(ctx, pod)
	if err != nil {
		return nil, err
	}
	if controller != nil {
		keys = append(keys, *controller)
	}
	budgets, err := p.namespaceBudgets(ctx, pod.Namespace)
	if err != nil {
		return nil, err
	}
	for _, budget := range budgets {
		// One that covers the pod or may do so is waited for.
		if covers, known := podlabels.Match(budget.selector, pod); covers || !known {
			keys = append(keys, model.WorkloadKey{
				Kind: v1alpha1.WorkloadPodDisruptionBudget, Namespace: pod.Namespace, Name: budget.name,
			})
		}
	}
	return keys, nil
}

func (p *podProjection) controller(ctx context.Context, pod *corev1.Pod) (*model.WorkloadKey, error) {
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
		return p.deployment(ctx, pod, owner.Name)
	}
	return nil, nil
}

// deployment finds the Deployment of a ReplicaSet by name: the Deployment controller names a ReplicaSet after its Deployment and the
// template's hash, and puts the hash on the pods as a label. That saves a cache of all ReplicaSets.
func (p *podProjection) deployment(ctx context.Context, pod *corev1.Pod, replicaSet string) (*model.WorkloadKey, error) {
	name, ok := strings.CutSuffix(replicaSet, "-"+pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey])
	if !ok {
		return nil, nil
	}
	var deployment appsv1.Deployment
	err := p.cache.Get(ctx, types.NamespacedName{Namespace: pod.Namespace, Name: name}, &deployment, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Deployment %s/%s: %w", pod.Namespace, name, err)
	}
	return &model.WorkloadKey{Kind: v1alpha1.WorkloadDeployment, Namespace: pod.Namespace, Name: name}, nil
}

func (p *podProjection) namespaceBudgets(ctx context.Context, namespace string) ([]budgetSelector, error) {
	if budgets, ok := p.budgets[namespace]; ok {
		return budgets, nil
	}
	var list policyv1.PodDisruptionBudgetList
	if err := p.cache.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list PodDisruptionBudgets of namespace %s: %w", namespace, err)
	}
	budgets := make([]budgetSelector, 0, len(list.Items))
	for i := range list.Items {
		// In policy/v1 an empty selector covers every pod and a missing one none, which is what the conversion makes of them.
		selector, err := metav1.LabelSelectorAsSelector(list.Items[i].Spec.Selector)
		if err != nil {
			// The API server validates selectors; one that cannot be read covers no pod for the eviction API either.
			continue
		}
		budgets = append(budgets, budgetSelector{name: list.Items[i].Name, selector: selector})
	}
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

func podReady(pod *corev1.Pod) bool {
	ready := readyCondition(pod)
	return ready != nil && ready.Status == corev1.ConditionTrue
}

// containerID is how much of the ID of a container is kept: enough to tell those of one node apart.
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
