package controllers

import (
	"maps"
	"slices"
	"sync/atomic"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
	"github.com/reboot-operator/reboot-operator/controllers/projection"
)

// nodeChanged says whether a plan could see the difference between two states of a Node. Heartbeats, images and the like make none.
func nodeChanged(before, after *corev1.Node) bool {
	return metadataChanged(before, after) ||
		!maps.Equal(before.Labels, after.Labels) ||
		slices.ContainsFunc(projection.NodeAnnotations, func(key string) bool { return before.Annotations[key] != after.Annotations[key] }) ||
		before.Spec.Unschedulable != after.Spec.Unschedulable ||
		!equality.Semantic.DeepEqual(before.Spec.Taints, after.Spec.Taints) ||
		before.Status.NodeInfo.BootID != after.Status.NodeInfo.BootID ||
		before.Status.NodeInfo.KernelVersion != after.Status.NodeInfo.KernelVersion ||
		before.Status.NodeInfo.OSImage != after.Status.NodeInfo.OSImage ||
		conditionChanged(before, after, corev1.NodeReady) ||
		slices.ContainsFunc(plan.MaintenanceConditions, func(t corev1.NodeConditionType) bool { return conditionChanged(before, after, t) })
}

// conditionChanged: the status of the condition is another one, or it was in the meantime.
func conditionChanged(before, after *corev1.Node, t corev1.NodeConditionType) bool {
	from, to := projection.FindCondition(before, t), projection.FindCondition(after, t)
	if from == nil || to == nil {
		return from != to
	}
	return from.Status != to.Status || !from.LastTransitionTime.Equal(&to.LastTransitionTime)
}

// nodeRebootChanged lets everything through that a plan reads, the manager's own status too: a plan is empty for a cluster to which it
// was applied, so the pass that follows a write finds nothing to do, unless something else happened as well. Labels and annotations may
// decide whether admission refuses what is written.
func nodeRebootChanged(before, after *v1alpha1.NodeReboot) bool {
	return metadataChanged(before, after) ||
		before.Generation != after.Generation ||
		!slices.Equal(before.Finalizers, after.Finalizers) ||
		!slices.Equal(before.Unreadable, after.Unreadable) ||
		!maps.Equal(before.Labels, after.Labels) || !maps.Equal(before.Annotations, after.Annotations) ||
		!equality.Semantic.DeepEqual(before.Status, after.Status) && !onlyDrains(before, after)
}

// onlyDrains says that nothing but the pods that a drain has still to move changed. A plan asks whether an eviction is refused, and what is
// left of a drain that is stuck; else it waits for the result.
func onlyDrains(before, after *v1alpha1.NodeReboot) bool {
	from, to := before.Status.Report, after.Status.Report
	if from == nil || to == nil || to.Drain == nil || to.Drain.Activity == v1alpha1.DrainStuck {
		return false
	}
	progress := v1alpha1.DrainProgress{Activity: v1alpha1.DrainProgressing}
	if from.Drain != nil {
		progress = *from.Drain
	}
	if progress.Activity != to.Drain.Activity || !equality.Semantic.DeepEqual(progress.Refused, to.Drain.Refused) {
		return false
	}
	status, report := before.Status, *from
	report.Drain = to.Drain
	status.Report = &report
	return equality.Semantic.DeepEqual(status, after.Status)
}

// policyChanged drops status updates: nothing in a policy's status is read back. One that cannot be read is written again.
func policyChanged(before, after *v1alpha1.RebootPolicy) bool {
	return metadataChanged(before, after) || before.Generation != after.Generation || !slices.Equal(before.Unreadable, after.Unreadable)
}

// ownPodChanged is about the pods of the operator.
func ownPodChanged(before, after *corev1.Pod) bool {
	if projection.IsManager(after) {
		return managerChanged(before, after)
	}
	return helperChanged(before, after)
}

func helperChanged(before, after *corev1.Pod) bool {
	return metadataChanged(before, after) || before.Spec.NodeName != after.Spec.NodeName ||
		projection.HelperOf(before) != projection.HelperOf(after)
}

func deploymentChanged(before, after *appsv1.Deployment) bool {
	return metadataChanged(before, after) || projection.DeploymentReadiness(before) != projection.DeploymentReadiness(after)
}

func statefulSetChanged(before, after *appsv1.StatefulSet) bool {
	return metadataChanged(before, after) || projection.StatefulSetReadiness(before) != projection.StatefulSetReadiness(after)
}

func budgetChanged(before, after *policyv1.PodDisruptionBudget) bool {
	return metadataChanged(before, after) || projection.BudgetReadiness(before) != projection.BudgetReadiness(after)
}

// metadataChanged says whether the object is being deleted since, or is another one of the same name: a watch that was interrupted shows
// a deletion and a creation as one update.
func metadataChanged(before, after client.Object) bool {
	return before.GetUID() != after.GetUID() || before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero()
}

// interest is which workloads, conditions and volumes of Nodes a plan looks at; changes of all others ask for no pass. A pass replaces them
// before it reads any of them: what changed before that is in the cache and will be read, what changes later asks for another pass.
type interest struct {
	keys       atomic.Pointer[sets.Set[model.WorkloadKey]]
	conditions atomic.Pointer[[]corev1.NodeConditionType]
	// volumes are the nodes whose volumes matter.
	volumes atomic.Pointer[sets.Set[string]]
	// ownPods is what happened to the operator's own pods.
	ownPods ownPodEvents
}

// sawOwnPod notes an event before it asks for a pass. It is always true.
func (i *interest) sawOwnPod(pod *corev1.Pod) bool {
	i.ownPods.note(pod)
	return true
}

// ownPodChanged says what the function of that name says, and notes where the pod was. A new pod of the same name may be on another node.
func (i *interest) ownPodChanged(before, after *corev1.Pod) bool {
	i.ownPods.note(before, after)
	return ownPodChanged(before, after)
}

// nodeChanged says what the function of that name says, and also sees the conditions that policies name.
func (i *interest) nodeChanged(before, after *corev1.Node) bool {
	if nodeChanged(before, after) {
		return true
	}
	conditions := i.conditions.Load()
	return conditions != nil && slices.ContainsFunc(*conditions, func(t corev1.NodeConditionType) bool {
		return conditionChanged(before, after, t)
	})
}

func (i *interest) setConditions(types []corev1.NodeConditionType) { i.conditions.Store(&types) }

func (i *interest) set(keys sets.Set[model.WorkloadKey]) { i.keys.Store(&keys) }

func (i *interest) has(kind v1alpha1.WorkloadKind, object client.Object) bool {
	keys := i.keys.Load()
	return keys != nil && keys.Has(model.WorkloadKey{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()})
}

func (i *interest) setVolumes(nodes sets.Set[string]) { i.volumes.Store(&nodes) }

func (i *interest) hasVolume(a *storagev1.VolumeAttachment) bool {
	nodes := i.volumes.Load()
	return nodes != nil && nodes.Has(a.Spec.NodeName)
}

func (i *interest) hasDeployment(d *appsv1.Deployment) bool {
	return i.has(v1alpha1.WorkloadDeployment, d)
}

func (i *interest) hasStatefulSet(s *appsv1.StatefulSet) bool {
	return i.has(v1alpha1.WorkloadStatefulSet, s)
}

func (i *interest) hasBudget(b *policyv1.PodDisruptionBudget) bool {
	return i.has(v1alpha1.WorkloadPodDisruptionBudget, b)
}
