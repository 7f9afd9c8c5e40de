package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ManagerPlace says what happens to the manager's pods on a node that reboots. A program that is newer than the schema may write another
// value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type ManagerPlace string

// ManagerStays means that they stay on the node, and go down with its host.
const ManagerStays ManagerPlace = "Stays"

// CordonOwner says who cordoned a node.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type CordonOwner string

const (
	// CordonOperator means that the operator cordoned the node, and uncordons it at the end.
	CordonOperator CordonOwner = "Operator"
	// CordonForeign means that someone else had cordoned the node before, so it stays cordoned at the end.
	CordonForeign CordonOwner = "Foreign"
)

// NodeRole is the role of a node in its cluster. A program that is newer than the schema may write another value; see
// docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type NodeRole string

const (
	// NodeRoleControlPlane is a node that may run etcd: two such nodes are never down at once.
	NodeRoleControlPlane NodeRole = "ControlPlane"
)

// BootInfo identifies one boot of a host.
type BootInfo struct {
	// bootID is the kernel's random ID of the boot.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	BootID string `json:"bootID,omitempty"`

	// kernelVersion is the kernel version of the boot.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	KernelVersion string `json:"kernelVersion,omitempty"`

	// seenTime is when the operator first saw the boot.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	SeenTime *metav1.MicroTime `json:"seenTime,omitempty"`
}

// Attempt is one try to reboot the node: from the grant of a slot until the slot is freed.
type Attempt struct {
	// number counts attempts from 1.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Number int32 `json:"number,omitempty"`

	// policyName is the policy that granted the attempt. The attempt counts against this policy until it ends, even if labels change in the
	// meantime.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PolicyName string `json:"policyName,omitempty"`

	// zone is the node's zone when the attempt was granted.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Zone string `json:"zone,omitempty"`

	// role is Canary if other nodes wait for this attempt.
	// +optional
	Role AttemptRole `json:"role,omitempty"`

	// nodeRole is ControlPlane if the node may run etcd. It is recorded so that the host still counts as down if its Node object is deleted in
	// the meantime.
	// +optional
	NodeRole NodeRole `json:"nodeRole,omitempty"`

	// cordon says who cordoned the node.
	// +optional
	Cordon CordonOwner `json:"cordon,omitempty"`

	// manager is Stays if the manager's pods stay on the node because no other node could run them. The node is then tainted, not cordoned, so
	// that the manager can run there again after the boot.
	// +optional
	Manager ManagerPlace `json:"manager,omitempty"`

	// grantedTime is when the slot was granted.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	GrantedTime metav1.MicroTime `json:"grantedTime,omitempty,omitzero"`

	// cordonedTime is when the node was cordoned.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	CordonedTime *metav1.MicroTime `json:"cordonedTime,omitempty"`

	// excludedTime is when the node was taken out of external load balancers.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	ExcludedTime *metav1.MicroTime `json:"excludedTime,omitempty"`

	// drainOrderedTime is when the helper was ordered to drain.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	DrainOrderedTime *metav1.MicroTime `json:"drainOrderedTime,omitempty"`

	// stuckTime is the time since which the drain has been reported as stuck.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	StuckTime *metav1.MicroTime `json:"stuckTime,omitempty"`

	// drainedTime is when the drain ended: complete, skipped, or forced.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	DrainedTime *metav1.MicroTime `json:"drainedTime,omitempty"`

	// drain says how the drain ended.
	// +optional
	Drain DrainResult `json:"drain,omitempty"`

	// detachedTime is when the wait for volumes to detach ended, because none was attached anymore or because the wait timed out.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	DetachedTime *metav1.MicroTime `json:"detachedTime,omitempty"`

	// attachedVolumes names up to ten PersistentVolumes that were still attached at detachedTime.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=253
	AttachedVolumes []string `json:"attachedVolumes,omitempty"`

	// rebootBlockedTime is when something on the host, such as an inhibitor lock, was first seen to prevent the order to reboot after the
	// drain. If something still prevents it reboot.timeoutSeconds later, the attempt fails.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RebootBlockedTime *metav1.MicroTime `json:"rebootBlockedTime,omitempty"`

	// rebootOrderedTime is when the host was ordered to reboot.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RebootOrderedTime *metav1.MicroTime `json:"rebootOrderedTime,omitempty"`

	// rebootMethod is the method by which the host was ordered to reboot. For Installed it is the method that Installed stands for, if the
	// helper reported it.
	// +optional
	RebootMethod RebootMethod `json:"rebootMethod,omitempty"`

	// rebootVia is the path by which the host rebooted, as its helper reported it.
	// +optional
	RebootVia RebootVia `json:"rebootVia,omitempty"`

	// containers are short IDs of the containers that ran on the node before the boot. A pod whose status still shows one of them has a status
	// from before the boot. The list is removed when the attempt ends.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=32
	Containers []string `json:"containers,omitempty"`

	// markedForDeletionTime is when the operator saw that an autoscaler was about to remove the Node, or that the Node was being deleted. If
	// the Node disappears after that, the operator does not wait for its host.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	MarkedForDeletionTime *metav1.MicroTime `json:"markedForDeletionTime,omitempty"`

	// nodeGoneTime is the time since which no Node object with the node's name exists.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	NodeGoneTime *metav1.MicroTime `json:"nodeGoneTime,omitempty"`

	// backTime is when the node reported another boot ID.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	BackTime *metav1.MicroTime `json:"backTime,omitempty"`

	// uncordonedTime is when the node itself was proved to be rebooted and healthy, and was uncordoned.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	UncordonedTime *metav1.MicroTime `json:"uncordonedTime,omitempty"`

	// settlingSince is the time since which the node has been uncordoned and Ready without interruption.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	SettlingSince *metav1.MicroTime `json:"settlingSince,omitempty"`

	// readyTransitionTime is the lastTransitionTime of the node's Ready condition at settlingSince. It comes from another machine's clock, and
	// is only compared to detect whether it changed.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$`
	ReadyTransitionTime *metav1.Time `json:"readyTransitionTime,omitempty"`

	// rolledBackTime is when the attempt was given up before its host was ordered to reboot. The node is uncordoned at that time, and the slot
	// is held until the workloads whose pods were evicted are as ready as before.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RolledBackTime *metav1.MicroTime `json:"rolledBackTime,omitempty"`

	// recoveredTime is when the node's workloads were as ready as before. From then on the operator waits for the hooks in hooks.afterReboot.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RecoveredTime *metav1.MicroTime `json:"recoveredTime,omitempty"`

	// staleConditions are conditions set by others that were already True when the attempt began, or when the host came back. They do not
	// count as done until they change.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=64
	StaleConditions []StaleCondition `json:"staleConditions,omitempty"`

	// stalledTime is when the attempt ran out of time after the order to reboot, or while it waited for its evicted pods. The attempt is still
	// open: the node, or the pods, may come back.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	StalledTime *metav1.MicroTime `json:"stalledTime,omitempty"`

	// interruptedTime is when the attempt first stalled or was rolled back. Unlike stalledTime and rolledBackTime, it stays set when the node
	// comes back late. From then on the attempt's alerts are not silenced.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	InterruptedTime *metav1.MicroTime `json:"interruptedTime,omitempty"`

	// endedTime is when the attempt ended and its slot was freed.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	EndedTime *metav1.MicroTime `json:"endedTime,omitempty"`

	// result is the reason why the attempt stalled or ended.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Result string `json:"result,omitempty"`

	// message explains the result.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// Failures remembers failed attempts.
type Failures struct {
	// count is the number of failed attempts.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Count int32 `json:"count,omitempty"`

	// reboots is how many of the failed attempts reached the host: the host accepted the order to reboot but did not reboot, or it rebooted in
	// vain. maxAttempts limits only these.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Reboots int32 `json:"reboots"`

	// lastTime is when the last attempt failed.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	LastTime metav1.MicroTime `json:"lastTime,omitempty,omitzero"`

	// lastReason is the reason why the last attempt failed.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	LastReason string `json:"lastReason,omitempty"`

	// lastMessage explains lastReason.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LastMessage string `json:"lastMessage,omitempty"`
}
