package plan

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/controllers/plan/model"
)

// Snapshot is everything that a plan depends on besides the time. A plan never changes any of it, and its order does not matter. What
// Policies, Reboots and Nodes point to is never changed by anyone: what is new has another address (see State). A plan takes the least time
// if Reboots and Nodes are in the order of their names.
type Snapshot struct {
	Policies []*v1alpha1.RebootPolicy
	Reboots  []*v1alpha1.NodeReboot
	Nodes    []*model.Node
	// Slots are the grants that the slots object holds, by node name: as this manager last read or wrote it, or as it is now if SlotsLive.
	Slots     map[string]Slot
	SlotsLive bool
	// Pods are the pods bound to a node, by node name, for the nodes that were asked for (see Plan.NeedPods). A node that is missing here was
	// not looked at; one with no pods is present and empty.
	Pods map[string][]model.Pod
	// PodsUnread are the nodes that were asked for and whose pods cannot be read.
	PodsUnread map[string]bool
	// Undrainable is what was found out about nodes that cannot be drained and whose pods are no longer read, by node name.
	Undrainable map[string]Undrainable
	// Workloads is the readiness of every workload that Pods or a NodeReboot with an open attempt refers to. One that is missing no
	// longer exists.
	Workloads map[model.WorkloadKey]model.Workload
	// Invalid says about a policy, by name, what in it does not compile, such as a CEL expression.
	Invalid map[string]string
	// NotificationProblems says about policies, by name, what keeps a receiver of their notifications from being notified.
	NotificationProblems map[string]model.NotificationProblem
	// Forecasts is what the status of policies, by name, has to say of the end of their rollouts; nil is nothing. A policy that is missing
	// keeps what its status says.
	Forecasts map[string]*v1alpha1.ForecastStatus
	// TellPlaces has messages say the place in the queue. Whoever makes many plans in which nobody reads the messages does without.
	TellPlaces bool
	// Answers of gates, to the queries that were made (see Plan.Queries).
	Answers map[model.GateKey]model.GateAnswer
	// Deferred is what the last plan said (see Plan.Deferred); empty for the first one. Nil has nothing wait.
	Deferred map[string]time.Time
	// LetGo is what the last plan said (see Plan.LetGo).
	LetGo map[EvictionClaim]time.Time
	// Refusals are the writes that the API server refuses.
	Refusals map[model.WriteKey]model.Refusal
	// SilenceFailures are the silences of policies that cannot be made or ended, by the name of the policy.
	SilenceFailures map[string][]model.SilenceFailure
	// ClusterMaxUnavailable is the cluster-wide limit, in nodes or percent of all nodes; nil means no such limit.
	ClusterMaxUnavailable *intstr.IntOrString
	// QuorumLabels are keys of labels of nodes that may run etcd, besides those that Kubernetes and its distributions use.
	QuorumLabels []string
	// Namespace that the operator runs in, and ManagerPods those of the manager there.
	Namespace   string
	ManagerPods []model.ManagerPod
	// LeaderNode is the node that the manager which makes the plan runs on, if that is known.
	LeaderNode string
}

// Undrainable says that the pods of a node that could start keep it from being drained.
type Undrainable struct {
	Node string
	// Policy whose drain it is, and the generation of its spec.
	Policy     string
	Generation int64
	Verdict    model.Verdict
	// Until is when the pods have to be read again.
	Until time.Time
}

// Slot is one grant in the slots object: this attempt of this NodeReboot may take its node down.
type Slot struct {
	Reboot  string `json:"nodeReboot"`
	UID     string `json:"uid"`
	Attempt int32  `json:"attempt"`
	// Renewed counts how often a manager took over the grant before the attempt was recorded, and how often the node was cordoned or marked
	// again afterwards. Each time the slots object is written, so that only one of two managers that do so, or that do so and free the slot,
	// succeeds.
	Renewed int32 `json:"renewed,omitempty"`
	// Gone says that a live read found no such NodeReboot.
	Gone bool `json:"-"`
}

// Plan is what to do now, and when to look again.
type Plan struct {
	// NeedPods names the nodes whose pods the plan depends on. Compute again if some of them are not in Snapshot.Pods.
	NeedPods []string
	// ReadAhead names nodes whose pods later plans will ask for, mostly when slots are free that are not yet. This plan does without.
	ReadAhead []string
	// NeedSlots says that the plan depends on what the slots object holds now. Compute again with Snapshot.SlotsLive.
	NeedSlots bool
	// Undrainable are the nodes that could start and whose pods in Snapshot.Pods keep them from being drained, in line. Their pods should be
	// watched on; where that would be too many, Snapshot.Undrainable will do.
	Undrainable []Undrainable
	// Queries have to be put to gates before the plan can continue. Compute again with the answers in Snapshot.Answers. Queries include those
	// that are already answered: an answer that is no longer asked for can be forgotten.
	Queries []model.GateQuery
	// Slots is what the slots object should hold; SlotsChanged says that it holds something else.
	Slots        map[string]Slot
	SlotsChanged bool
	// Work is what to write, in the order of node names. Work on different nodes is independent.
	Work []NodeWork
	// Policies are the policies whose status changed.
	Policies []PolicyChange
	// Rollouts are the policies with nodes that need a reboot.
	Rollouts []Rollout
	// Creates are NodeReboots to make, for needs that the manager sees itself.
	Creates []*v1alpha1.NodeReboot
	// Prune names finished NodeReboots to delete, in order: those that history does not keep, and those whose approval must not be used again.
	Prune []string
	// Deferred says since when writes wait that need not be made at once, for the next snapshot. The keys are the plan's own.
	Deferred map[string]time.Time
	// LetGo says since when the eviction of pods is allowed that their budgets may not show yet, for the next snapshot.
	LetGo map[EvictionClaim]time.Time
	// Wake is when to look again if nothing happens before; zero means never.
	Wake time.Time
	// HandOver says that the plan orders the node of the manager that makes it to drain or to reboot, and that another manager could lead in
	// the meantime. If it does, nothing of the plan need be carried out: it makes the same one.
	HandOver bool
}

// EvictionClaim is what a pod has on one of the evictions that a budget allows, until it allows more or fewer: then it has seen what came
// of a claim. Where several pods claim evictions of one budget, the first eviction ends all claims, and another one may be offered twice.
// The API server refuses what the budget does not allow.
type EvictionClaim struct {
	Namespace, Budget, Pod string
	Allows                 int32
}

// NodeWork is everything to write for one node, in this order: finalizers to add, the node, statuses, the node's conditions, finalizers
// to remove; but a patch of the node that rolls back what was set comes right after the statuses (see NodePatch.RollsBack). Write makes the
// writes in this order.
type NodeWork struct {
	Node string
	// Granted says that the work needs the slot which this plan grants or renews: without the write of the slots object nothing of it may be
	// done but Patch.Need.
	Granted bool
	// Takes is the NodeReboot for which the Patch cordons or marks the Node. It must still be what was read when that is done: its attempt may
	// have ended since, also one that this plan begins. Nil is that it does not matter.
	Takes *v1alpha1.NodeReboot
	// Patch changes the Node; nil is nothing.
	Patch *NodePatch
	// Maintenance is what the node's maintenance conditions should be; nil means no change. A type that is missing is to be removed.
	Maintenance map[corev1.NodeConditionType]MaintenanceCondition
	Reboots     []RebootChange
}

// NodePatch changes a Node in one request.
type NodePatch struct {
	// Taints replaces the node's taints if SetTaints.
	SetTaints bool
	Taints    []corev1.Taint
	// Had are the taints of the Node that the plan was made from, if SetTaints.
	Had []corev1.Taint
	// Unschedulable is set if not nil.
	Unschedulable *bool
	// CordonedFor sets the cordon annotation if not nil; empty removes it.
	CordonedFor *string
	// Labels and Annotations to set; nil removes one.
	Labels, Annotations map[string]*string
}

// RollsBack says that the patch rolls back a cordon or marks of ours. They are written before the status that tells the helper to drain,
// and rolled back after the status that ends the attempt: whatever interrupts the manager between the two, no drain runs on a node that is
// not cordoned, the manager never takes its own uncordon for someone else's, and labels for after a success are only set after one.
func (p *NodePatch) RollsBack() bool {
	marks, changed := p.Annotations[v1alpha1.MarksAnnotation]
	return p.CordonedFor != nil && *p.CordonedFor == "" || changed && marks == nil
}

// MaintenanceCondition is one maintenance condition that is True on a node.
type MaintenanceCondition struct {
	Reason, Message string
}

// RebootChange is what to write for one NodeReboot.
type RebootChange struct {
	Object *v1alpha1.NodeReboot
	// Status is the whole next status, with the report that was read.
	Status v1alpha1.NodeRebootStatus
	// StatusChanged says that Status differs from what was read.
	StatusChanged bool
	// AddFinalizer and RemoveFinalizer change the finalizer.
	AddFinalizer, RemoveFinalizer bool
	// Report is what to write for a NodeReboot that cannot be read, instead of a status; nil for any other.
	Report *Report
	// Events to emit once the status is written.
	Events []model.Event
}

// Report says that a NodeReboot cannot be read: its phase is Failed. The rest of its status stays as it is stored.
type Report struct {
	Reason, Message string
	// Conditions replace the ones that are stored; nil leaves them, and everything else, as they are.
	Conditions []metav1.Condition
}

// Rollout is a policy with nodes that need a reboot.
type Rollout struct {
	Policy *v1alpha1.RebootPolicy
	// UnderWay says that some of them are under way.
	UnderWay bool
}

// PolicyChange is what to write for one RebootPolicy.
type PolicyChange struct {
	Object *v1alpha1.RebootPolicy
	Status v1alpha1.RebootPolicyStatus
	Events []model.Event
}

// The maintenance conditions that are published on a Node (KEP-5683), in the order of a maintenance.
const (
	MaintenancePlanned    corev1.NodeConditionType = "MaintenancePlanned"
	DrainInProgress       corev1.NodeConditionType = "DrainInProgress"
	Drained               corev1.NodeConditionType = "Drained"
	MaintenanceInProgress corev1.NodeConditionType = "MaintenanceInProgress"
)

// MaintenanceReason is the reason of every maintenance condition that the operator sets. The types are shared with other tools; those with
// another reason are theirs, and are left alone.
const MaintenanceReason = "RebootRequired"

// MaintenanceConditions are the types of all maintenance conditions.
var MaintenanceConditions = []corev1.NodeConditionType{MaintenancePlanned, DrainInProgress, Drained, MaintenanceInProgress}
