package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ManagerPlace says what becomes of the pods of the manager on a node that reboots.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
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
	// CordonOperator means that the operator did, and uncordons the node at the end.
	CordonOperator CordonOwner = "Operator"
	// CordonForeign means that someone else did before, and the node stays cordoned at the end.
	CordonForeign CordonOwner = "Foreign"
)

// NodeRole says what a node is to its cluster.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type NodeRole string

const (
	// NodeRoleControlPlane is a node that may run etcd: two of them are never down at once.
	NodeRoleControlPlane NodeRole = "ControlPlane"
)

// BootInfo identifies one boot of a host.
type BootInfo struct {
	// bootID is the kernel's random ID of the boot.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	BootID string `json:"bootID,omitempty"`

	// kernelVersion that the boot runs.
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

	// policyName is the policy that granted the attempt. It counts there until it ends, whatever labels change meanwhile.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PolicyName string `json:"policyName,omitempty"`

	// zone in which the attempt was granted.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Zone string `json:"zone,omitempty"`

	// role is Canary if others wait for this attempt.
	// +optional
	Role AttemptRole `json:"role,omitempty"`

	// nodeRole is ControlPlane if the node may run etcd. It is recorded because the host counts as one that is down even if its Node object is
	// deleted meanwhile.
	// +optional
	NodeRole NodeRole `json:"nodeRole,omitempty"`

	// cordon says who cordoned the node.
	// +optional
	Cordon CordonOwner `json:"cordon,omitempty"`

	// manager says that the pods of the manager stay on the node, because it could run on no other. Then the node is not cordoned but tainted:
	// the manager has to find its place there again after the boot.
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

	// stuckTime is since when the drain has been reported to be stuck.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	StuckTime *metav1.MicroTime `json:"stuckTime,omitempty"`

	// drainedTime is when the drain was over: complete, skipped, or forced.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	DrainedTime *metav1.MicroTime `json:"drainedTime,omitempty"`

	// drain is how the drain ended.
	// +optional
	Drain DrainResult `json:"drain,omitempty"`

	// detachedTime is when the wait for volumes to be detached was over: none was attached any longer, or its time had passed.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	DetachedTime *metav1.MicroTime `json:"detachedTime,omitempty"`

	// attachedVolumes are PersistentVolumes that were attached even then, up to ten of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=253
	AttachedVolumes []string `json:"attachedVolumes,omitempty"`

	// rebootBlockedTime is when something on the host was first seen to keep it from being ordered to reboot after the drain, such as an
	// inhibitor lock. reboot.timeoutSeconds after it the attempt fails if something still does.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RebootBlockedTime *metav1.MicroTime `json:"rebootBlockedTime,omitempty"`

	// rebootOrderedTime is when the host was ordered to reboot.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RebootOrderedTime *metav1.MicroTime `json:"rebootOrderedTime,omitempty"`

	// rebootMethod is the method by which the host was ordered to reboot: the one that Installed stands for, if the helper said which.
	// +optional
	RebootMethod RebootMethod `json:"rebootMethod,omitempty"`

	// rebootVia is the path by which the host rebooted, as its helper said.
	// +optional
	RebootVia RebootVia `json:"rebootVia,omitempty"`

	// containers are short IDs of the containers that ran on the node before the boot. A pod that still shows one of them shows its status of
	// before the boot. They are removed when the attempt ends.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=32
	Containers []string `json:"containers,omitempty"`

	// markedForDeletionTime is when an autoscaler, or a deletion, was seen to be about to remove the Node. If it goes after that, its host is
	// not waited for.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	MarkedForDeletionTime *metav1.MicroTime `json:"markedForDeletionTime,omitempty"`

	// nodeGoneTime is since when there is no Node object of the node's name.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	NodeGoneTime *metav1.MicroTime `json:"nodeGoneTime,omitempty"`

	// backTime is when the node reported another boot ID.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	BackTime *metav1.MicroTime `json:"backTime,omitempty"`

	// uncordonedTime is when the node was proved to be rebooted and healthy itself, and uncordoned.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	UncordonedTime *metav1.MicroTime `json:"uncordonedTime,omitempty"`

	// settlingSince is since when the node has been uncordoned and Ready without interruption.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	SettlingSince *metav1.MicroTime `json:"settlingSince,omitempty"`

	// readyTransitionTime is the lastTransitionTime of the node's condition Ready at that time. It comes from the clock of another machine,
	// and is only ever compared to find out whether it changed.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$`
	ReadyTransitionTime *metav1.Time `json:"readyTransitionTime,omitempty"`

	// rolledBackTime is when the attempt was given up before its host was ordered to reboot. The node is uncordoned then, and the slot is held
	// until the workloads whose pods were evicted are as ready as before.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RolledBackTime *metav1.MicroTime `json:"rolledBackTime,omitempty"`

	// recoveredTime is when the node's workloads were as ready as before. Hooks that are awaited after the reboot are awaited from then on.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RecoveredTime *metav1.MicroTime `json:"recoveredTime,omitempty"`

	// staleConditions of others were True already when the attempt began, or when the host was back, and do not count as done.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=64
	StaleConditions []StaleCondition `json:"staleConditions,omitempty"`

	// stalledTime is when the attempt ran out of time after the order to reboot, or while its evicted pods were awaited. The attempt is still
	// open: the node, or the pods, may come back.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	StalledTime *metav1.MicroTime `json:"stalledTime,omitempty"`

	// interruptedTime is when the attempt stalled or was rolled back for the first time. Unlike stalledTime and rolledBackTime it stays when
	// the node comes back late. From then on the attempt's alerts are not silenced.
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

	// message tells people more about the result.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// Failures remembers failed attempts.
type Failures struct {
	// count of failed attempts.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Count int32 `json:"count,omitempty"`

	// reboots is how many of them reached the host: it accepted the order to reboot and did not, or it rebooted in vain. maxAttempts limits
	// these only.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Reboots int32 `json:"reboots"`

	// lastTime is when the last one failed.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	LastTime metav1.MicroTime `json:"lastTime,omitempty,omitzero"`

	// lastReason is why.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	LastReason string `json:"lastReason,omitempty"`

	// lastMessage tells people more.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	LastMessage string `json:"lastMessage,omitempty"`
}
