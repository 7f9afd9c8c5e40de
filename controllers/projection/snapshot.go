package projection

import (
	"cmp"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Objects are all that a snapshot is made of, in any order. What the functions named Strip keep of them is enough.
type Objects struct {
	Policies     []*v1alpha1.RebootPolicy
	Reboots      []*v1alpha1.NodeReboot
	Nodes        []*corev1.Node
	Pods         []*corev1.Pod
	Deployments  []*appsv1.Deployment
	StatefulSets []*appsv1.StatefulSet
	Budgets      []*policyv1.PodDisruptionBudget
	// HelperSets are the DaemonSets of helpers.
	HelperSets []*appsv1.DaemonSet
	// Slots is the slots object; nil if there is none.
	Slots   *corev1.ConfigMap
	Leases  []*coordinationv1.Lease
	Volumes []*storagev1.VolumeAttachment
	// Maintenances are the objects by which other tools say that they maintain a node.
	Maintenances []*unstructured.Unstructured
}

// Settings are what a plan has to know of the installation.
type Settings struct {
	// Namespace that the operator runs in.
	Namespace string
	// ClusterMaxUnavailable, QuorumLabels and LeaseNamespaces are options of the manager.
	ClusterMaxUnavailable *intstr.IntOrString
	QuorumLabels          []string
	LeaseNamespaces       []string
	// LeaderNode is the node that the manager which leads runs on; empty if that is not known.
	LeaderNode string
	// PodsUnknown says that pods and workloads could not be read. The snapshot has no pods of any node then, and every node is assumed to have
	// a Ready helper.
	PodsUnknown bool
	// Invalid says about policies, by name, what in their gates does not compile.
	Invalid map[string]string
}

// Snapshot is what a plan sees of the objects at a time, with the pods of all nodes. The manager knows since when it has seen a condition
// of a node or the renewal of a Lease; here they are as old as their writer says, and never from the future. It is not known since when a
// helper has not been Ready.
func Snapshot(objects *Objects, settings *Settings, now time.Time) *plan.Snapshot {
	s := &plan.Snapshot{
		Policies: objects.Policies, Reboots: byName(objects.Reboots),
		Slots: slotsOf(objects), SlotsLive: true,
		Workloads: workloadsOf(objects),
		Invalid:   settings.Invalid, ClusterMaxUnavailable: settings.ClusterMaxUnavailable, QuorumLabels: settings.QuorumLabels,
		Namespace: settings.Namespace, LeaderNode: settings.LeaderNode,
	}
	helpers, managers := ownPods(objects.Pods, settings.Namespace)
	s.ManagerPods = ManagerPods(managers)
	s.Nodes = nodesOf(objects, settings, Helpers(helpers), now)
	if !settings.PodsUnknown {
		s.Pods = podsOf(objects)
	}
	return s
}

// byName sorts objects by name, without changing the list.
func byName[T metav1.Object](objects []T) []T {
	return slices.SortedFunc(slices.Values(objects), func(a, b T) int { return cmp.Compare(a.GetName(), b.GetName()) })
}

// ownPods are those of the helpers and of the manager.
func ownPods(pods []*corev1.Pod, namespace string) (helpers, managers []corev1.Pod) {
	for _, pod := range pods {
		switch {
		case pod.Namespace != namespace:
		case IsManager(pod):
			managers = append(managers, *pod)
		case pod.Labels[v1alpha1.ComponentLabel] == HelperComponent:
			helpers = append(helpers, *pod)
		}
	}
	return helpers, managers
}

func nodesOf(objects *Objects, settings *Settings, helpers map[string][]HelperPod, now time.Time) []*model.Node {
	helperSets := NewHelperSets(settings.Namespace, valuesOf(byName(objects.HelperSets)))
	foreign := foreignOf(objects, settings)
	volumes, types := volumesOf(objects), TriggerTypes(objects.Policies)
	nodes := make([]*model.Node, 0, len(objects.Nodes))
	for _, node := range byName(objects.Nodes) {
		outside := Outside{
			Conditions: conditionsOf(node, types, now), Foreign: foreign[node.Name], Volumes: volumes[node.Name],
			NoDetector: helperSets.NoDetector(node),
		}
		switch pods := helpers[node.Name]; {
		case settings.PodsUnknown:
			outside.Helper = Helper{Ready: true}
		case len(pods) > 0:
			outside.Helper = HelperAmong(pods)
		default:
			outside.Problem, outside.NotMeant = helperSets.Missing(node)
		}
		nodes = append(nodes, Node(node, &outside))
	}
	return nodes
}

func valuesOf[T any](pointers []*T) []T {
	values := make([]T, len(pointers))
	for i, p := range pointers {
		values[i] = *p
	}
	return values
}

func conditionsOf(node *corev1.Node, types []corev1.NodeConditionType, now time.Time) []model.NodeCondition {
	var conditions []model.NodeCondition
	for i := range node.Status.Conditions {
		if c := &node.Status.Conditions[i]; IsWatched(c.Type, types) {
			conditions = append(conditions, model.NodeCondition{
				Type: c.Type, Status: c.Status, Since: earliest(c.LastTransitionTime.Time, now), Transition: c.LastTransitionTime,
			})
		}
	}
	return conditions
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// foreignOf is the maintenance that others do, by node.
func foreignOf(objects *Objects, settings *Settings) map[string][]model.OtherMaintenance {
	found := map[string][]model.OtherMaintenance{}
	for _, lease := range objects.Leases {
		if slices.Contains(settings.LeaseNamespaces, lease.Namespace) && IsMaintenance(lease) && Unbounded(lease) == "" {
			node, foreign := LeaseMaintenance(lease, lease.Spec.RenewTime.Time)
			found[node] = append(found[node], foreign)
		}
	}
	for _, object := range objects.Maintenances {
		if node, foreign := ObjectMaintenance(object); node != "" {
			found[node] = append(found[node], foreign)
		}
	}
	return found
}

func volumesOf(objects *Objects) map[string][]string {
	nodes := DetachingNodes(objects.Policies, objects.Reboots)
	volumes := map[string][]string{}
	for _, attachment := range objects.Volumes {
		if nodes.Has(attachment.Spec.NodeName) {
			volumes[attachment.Spec.NodeName] = append(volumes[attachment.Spec.NodeName], VolumeOf(attachment))
		}
	}
	return volumes
}

// slotsOf are the grants that the slots object holds. One whose NodeReboot is not among the objects is gone.
func slotsOf(objects *Objects) map[string]plan.Slot {
	if objects.Slots == nil {
		return nil
	}
	uids := make(map[string]string, len(objects.Reboots))
	for _, reboot := range objects.Reboots {
		uids[reboot.Name] = string(reboot.UID)
	}
	slots := DecodeSlots(objects.Slots.Data)
	for node, slot := range slots {
		uid, exists := uids[slot.Reboot]
		slot.Gone = !exists || uid != slot.UID
		slots[node] = slot
	}
	return slots
}

// workloadsOf is how ready all workloads are.
func workloadsOf(objects *Objects) map[model.WorkloadKey]model.Workload {
	workloads := make(map[model.WorkloadKey]model.Workload, len(objects.Deployments)+len(objects.StatefulSets)+len(objects.Budgets))
	add := func(kind v1alpha1.WorkloadKind, object metav1.Object, workload model.Workload) {
		workloads[model.WorkloadKey{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}] = workload
	}
	for _, deployment := range objects.Deployments {
		add(v1alpha1.WorkloadDeployment, deployment, DeploymentReadiness(deployment))
	}
	for _, set := range objects.StatefulSets {
		add(v1alpha1.WorkloadStatefulSet, set, StatefulSetReadiness(set))
	}
	for _, budget := range objects.Budgets {
		add(v1alpha1.WorkloadPodDisruptionBudget, budget, BudgetReadiness(budget))
	}
	return workloads
}

// podsOf are the pods of all nodes.
func podsOf(objects *Objects) map[string][]model.Pod {
	byNode := make(map[string][]*corev1.Pod, len(objects.Nodes))
	for _, node := range objects.Nodes {
		byNode[node.Name] = nil
	}
	for _, pod := range objects.Pods {
		if _, known := byNode[pod.Spec.NodeName]; known {
			byNode[pod.Spec.NodeName] = append(byNode[pod.Spec.NodeName], pod)
		}
	}
	project := NewPods(&KnownBudgets{}, lookupOf(objects))
	pods := make(map[string][]model.Pod, len(byNode))
	for node, bound := range byNode {
		projected, err := project.Project(bound)
		if err == nil { // the lookup has no other
			pods[node] = projected
		}
	}
	return pods
}

func lookupOf(objects *Objects) Lookup {
	budgets := map[string][]policyv1.PodDisruptionBudget{}
	for _, budget := range objects.Budgets {
		budgets[budget.Namespace] = append(budgets[budget.Namespace], *budget)
	}
	type name struct{ namespace, name string }
	deployments := make(map[name]bool, len(objects.Deployments))
	for _, deployment := range objects.Deployments {
		deployments[name{deployment.Namespace, deployment.Name}] = true
	}
	return Lookup{
		Budgets:       func(namespace string) ([]policyv1.PodDisruptionBudget, error) { return budgets[namespace], nil },
		HasDeployment: func(namespace, n string) (bool, error) { return deployments[name{namespace, n}], nil },
	}
}
