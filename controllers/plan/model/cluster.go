package model

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/v1alpha1"
	"github.com/reboot-operator/reboot-operator/internal/shorten"
)

// Node is what a plan needs to know of a Node.
type Node struct {
	Name, UID     string
	Labels        map[string]string
	Taints        []corev1.Taint
	Unschedulable bool
	// CordonedFor is the value of the cordon annotation: the UID of the NodeReboot for which the operator cordoned the node.
	CordonedFor string
	// Deleting: the Node is being deleted.
	Deleting bool
	// Annotations are those that the operator reads or writes (see MarksAnnotation); others may be missing.
	Annotations   map[string]string
	Ready         bool
	BootID        string
	KernelVersion string
	// Conditions of the Node, at least Ready and those that policies name.
	Conditions []NodeCondition
	// OtherMaintenance is what other tools do on the node.
	OtherMaintenance []OtherMaintenance
	// Volumes are the PersistentVolumes that are attached to the node. They are known of nodes with an attempt between drain and reboot, if
	// there is a policy that waits for volumes to be detached.
	Volumes []string
	// Maintenance is which of the maintenance conditions (MaintenanceConditions) the operator has set to True on the node.
	Maintenance map[corev1.NodeConditionType]bool
	// HelperReady says that a helper pod on the node is Ready. Otherwise HelperProblem says what is known of why not, for people; it is
	// empty if there is no such pod. HelperSince is since when; zero if that is not known.
	HelperReady   bool
	HelperProblem string
	HelperSince   time.Time
	// HelperNotMeant: the node selector or affinity of the helpers' DaemonSet leaves the node out.
	HelperNotMeant bool
	// HelperImpossible: there is no pod of a helper, and none can be until someone changes a DaemonSet or the Node.
	HelperImpossible bool
	// NoDetector says, of a node whose helper was installed with nothing that could say that its host needs a reboot, what to install instead.
	// It is empty for all others, and where that is not known.
	NoDetector string
}

// maxKernelVersion is how much of a kernel's version the API takes, and maxBootID how long a boot ID may be.
const (
	maxKernelVersion = 256
	maxBootID        = 128
)

// UsableBootID is the boot ID of a Node, or empty if the API takes no such boot ID: a kubelet may write anything, and what cannot be
// recorded cannot be compared.
func UsableBootID(id string) string {
	if len(id) > maxBootID || !utf8.ValidString(id) {
		return ""
	}
	return id
}

// Boot that the node runs.
func (n *Node) Boot() *v1alpha1.BootInfo {
	return &v1alpha1.BootInfo{BootID: n.BootID, KernelVersion: shorten.Marked(strings.ToValidUTF8(n.KernelVersion, "?"), maxKernelVersion)}
}

// Condition of the node; nil if it has none of that type.
func (n *Node) Condition(conditionType string) *NodeCondition {
	for i := range n.Conditions {
		if string(n.Conditions[i].Type) == conditionType {
			return &n.Conditions[i]
		}
	}
	return nil
}

// Skipped says that a person labeled the node so that it is not rebooted.
func (n *Node) Skipped() bool {
	_, skipped := n.Labels[v1alpha1.SkipLabel]
	return skipped
}

// deletionTaints are what autoscalers put on a node that they are about to remove. A node that is only a candidate for removal
// (DeletionCandidateOfClusterAutoscaler) is not among them: it may stay one for long, and to reboot it does no harm.
var deletionTaints = []string{
	"ToBeDeletedByClusterAutoscaler",
	"karpenter.sh/disrupted",
	"karpenter.sh/disruption",
}

// DeletionTaint is the taint by which an autoscaler says that it is about to remove the node; empty if there is none.
func (n *Node) DeletionTaint() string {
	for i := range n.Taints {
		if slices.Contains(deletionTaints, n.Taints[i].Key) {
			return n.Taints[i].Key
		}
	}
	return ""
}

// MarkedForDeletion says that the Node is being deleted, or an autoscaler is about to remove it.
func (n *Node) MarkedForDeletion() bool { return n.Deleting || n.DeletionTaint() != "" }

// WhyHelperNotReady says why no helper on the node is Ready, as part of a sentence.
func (n *Node) WhyHelperNotReady() string {
	return cmp.Or(strings.TrimSuffix(n.HelperProblem, "."), "there is no helper pod")
}

// NodeCondition is a condition of a Node.
type NodeCondition struct {
	Type   corev1.NodeConditionType
	Status corev1.ConditionStatus
	// Since is when this manager first saw the status, by its own clock.
	Since time.Time
	// Transition is when the status last changed, by the clock of its writer. It is only ever compared to find out whether it changed.
	Transition metav1.Time
}

// OtherMaintenance is a sign that another tool maintains a node.
type OtherMaintenance struct {
	// Object that says so, in words.
	Object string
	// Until when it says so; zero means forever.
	Until time.Time
}

// Pod is what a plan needs to know of a pod bound to a node.
type Pod struct {
	Namespace, Name string
	// Workloads that the pod belongs to: its controller and the PodDisruptionBudgets that cover it.
	Workloads []WorkloadKey
	// Labels of the pod, and those of its annotations that a selector can match.
	Labels, Annotations map[string]string
	// Controlled: a controller makes another one in its place. Mirror: the kubelet runs it from a file, and it cannot be evicted.
	Controlled, Mirror bool
	// EmptyDir: it has an emptyDir volume.
	EmptyDir bool
	// Finished pods have ended (Succeeded or Failed) and do not run again; Terminating ones are being deleted.
	Finished, Terminating bool
	Ready                 bool
	// Priority of the pod: of two, the one with the higher priority matters more.
	Priority int32
	// Containers are short IDs of the containers that run. No container outlives a boot, so they tell a status from before it from a new one.
	Containers []string
}

// WorkloadKey names a workload.
type WorkloadKey struct {
	Kind            v1alpha1.WorkloadKind
	Namespace, Name string
}

// Workload is how ready a workload is.
type Workload struct {
	// Ready is the number of ready pods; of a PodDisruptionBudget, of healthy ones.
	Ready int32
	// Desired is how many there should be.
	Desired int32
	// DisruptionsAllowed is how many pods a PodDisruptionBudget lets go now, DisruptionsAtRest how many while none is missing, and Expected
	// how many it covers.
	DisruptionsAllowed, DisruptionsAtRest, Expected int32
	// Stale says that the workload's controller has not seen its latest spec, so Ready says nothing yet.
	Stale bool
}

// IsReady says that the pod is Ready and stays.
func (pod *Pod) IsReady() bool { return pod.Ready && !pod.Finished && !pod.Terminating }

// Stays says that no drain evicts the pod.
func (pod *Pod) Stays() bool {
	return pod.Mirror || !pod.Finished && pod.Of(v1alpha1.WorkloadDaemonSet)
}

// Of says that the pod belongs to a workload of a kind.
func (pod *Pod) Of(kind v1alpha1.WorkloadKind) bool {
	return slices.ContainsFunc(pod.Workloads, func(key WorkloadKey) bool { return key.Kind == kind })
}

// KeysOnNode are what the pod is to its own node: the static pod itself, or its DaemonSet.
func (pod *Pod) KeysOnNode() []WorkloadKey {
	var keys []WorkloadKey
	if pod.Mirror {
		keys = append(keys, WorkloadKey{Kind: v1alpha1.WorkloadStaticPod, Namespace: pod.Namespace, Name: pod.Name})
	}
	for _, key := range pod.Workloads {
		if key.Kind == v1alpha1.WorkloadDaemonSet {
			keys = append(keys, key)
		}
	}
	return keys
}

// KeyOf a workload that a NodeReboot remembers.
func KeyOf(w v1alpha1.WorkloadRef) WorkloadKey {
	return WorkloadKey{Kind: w.Kind, Namespace: w.Namespace, Name: w.Name}
}
