package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/reboot-operator/reboot-operator/api/decode"
)

// Trigger says what asked for a reboot.
//
// +k8s:enum
type Trigger string

const (
	// TriggerSentinel is a sentinel on the host, such as /var/run/reboot-required. When the sentinel goes away before the drain, so does
	// the need.
	TriggerSentinel Trigger = "Sentinel"
	// TriggerNodeCondition is a condition of the Node that the policy names. When the condition goes away before the drain, so does the need.
	TriggerNodeCondition Trigger = "NodeCondition"
	// TriggerManual is a person or a program that created the NodeReboot.
	TriggerManual Trigger = "Manual"
)

// Urgency says how urgent a reboot is.
//
// +k8s:enum
type Urgency string

const (
	// UrgencyNormal waits its turn.
	UrgencyNormal Urgency = "Normal"
	// UrgencyImmediate goes before every reboot of Normal urgency whose turn it is as well, and waits for no window and no freeze. It
	// respects every limit and still drains.
	UrgencyImmediate Urgency = "Immediate"
)

// Phase is a one-word summary for people and field selectors; programs read the conditions.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type Phase string

const (
	// PhasePending waits to be started; the reason says for what.
	PhasePending Phase = "Pending"
	// PhaseDraining holds a slot; the node is cordoned and drained.
	PhaseDraining Phase = "Draining"
	// PhaseRebooting has ordered the host to reboot.
	PhaseRebooting Phase = "Rebooting"
	// PhaseRecovering has seen another boot ID and waits for the node and its workloads.
	PhaseRecovering Phase = "Recovering"
	// PhaseSucceeded is a proved reboot.
	PhaseSucceeded Phase = "Succeeded"
	// PhaseFailed did not work; while completionTime is not set the node is still watched and may yet recover.
	PhaseFailed Phase = "Failed"
	// PhaseCancelled is not needed any more.
	PhaseCancelled Phase = "Cancelled"
)

// Outcome is how a NodeReboot ended.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type Outcome string

const (
	// OutcomeSucceeded is a proved reboot.
	OutcomeSucceeded Outcome = "Succeeded"
	// OutcomeFailed was given up.
	OutcomeFailed Outcome = "Failed"
	// OutcomeCancelled was not needed any more.
	OutcomeCancelled Outcome = "Cancelled"
)

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

// NodeRebootSpec asks for one reboot of one node.
//
// +kubebuilder:validation:XValidation:rule="(self.trigger == 'NodeCondition') == has(self.conditionType)",message="conditionType goes with 'trigger: NodeCondition' and with no other: write both or neither",fieldPath=".conditionType"
// +kubebuilder:validation:XValidation:rule="!has(self.bootID) || self.trigger == 'Sentinel'",message="bootID goes with 'trigger: Sentinel' and with no other: remove it",fieldPath=".bootID"
// +kubebuilder:validation:XValidation:rule="has(self.bootID) == has(oldSelf.bootID) && (!has(self.bootID) || self.bootID == oldSelf.bootID)",message="bootID cannot be changed: create another NodeReboot, and delete this one to cancel it",fieldPath=".bootID"
// +kubebuilder:validation:XValidation:rule="(self.approval == 'Given') == has(self.approvedBy)",message="'approval: Given' goes with approvedBy, your user name as 'kubectl auth whoami' prints it: write both, or neither to withdraw an approval",fieldPath=".approvedBy"
// +kubebuilder:validation:XValidation:rule="has(self.requestedBy) == has(oldSelf.requestedBy) && (!has(self.requestedBy) || self.requestedBy == oldSelf.requestedBy)",message="requestedBy cannot be changed: it is who created the NodeReboot",fieldPath=".requestedBy"
type NodeRebootSpec struct {
	// nodeName is the node to reboot.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="nodeName cannot be changed: create another NodeReboot for the other node, and delete this one to cancel it"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	NodeName string `json:"nodeName,omitempty"`

	// trigger says what asked for the reboot.
	// +optional
	// +kubebuilder:default=Manual
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="trigger cannot be changed: create another NodeReboot with the other trigger, and delete this one to cancel it"
	Trigger Trigger `json:"trigger,omitempty"`

	// conditionType is the condition of the Node that asked for the reboot.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="conditionType cannot be changed: create another NodeReboot for the other condition, and delete this one to cancel it"
	ConditionType string `json:"conditionType,omitempty"`

	// bootID is the boot in which the host's sentinel asked for the reboot. The node's helper sets it. It says which need the NodeReboot is
	// about, so that one need of one boot makes one NodeReboot, whatever its name is.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	BootID string `json:"bootID,omitempty"`

	// reason is why, in words for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`

	// urgency Immediate goes before every Normal one whose turn it is as well, and waits for no window and no freeze. It respects every
	// limit and still drains.
	// +optional
	// +kubebuilder:default=Normal
	Urgency Urgency `json:"urgency,omitempty"`

	// approval Given lets the reboot start where the policy has approval: Require. Under a schedule it is one for the window that is open, or
	// else for the next one. Set it to NotGiven before the host is ordered to reboot, and the reboot does not happen. To give it takes the
	// verb approve on nodereboots.
	// +optional
	// +kubebuilder:default=NotGiven
	Approval Approval `json:"approval,omitempty"`

	// approvedBy is the name of the user who gave the approval. Since Kubernetes 1.36 it is filled in; no one can write the name of someone
	// else. A policy with selfApproval: Refuse does not accept the name in requestedBy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ApprovedBy string `json:"approvedBy,omitempty"`

	// requestedBy is the name of the user who created the NodeReboot. Since Kubernetes 1.36 it is filled in; no one can write the name of
	// someone else, and it cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	RequestedBy string `json:"requestedBy,omitempty"`
}

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

	// detachedTime is when the wait for volumes to be detached was over: none was attached any more, or its time had passed.
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

	// rebootOrderedTime is when the host was ordered to reboot.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RebootOrderedTime *metav1.MicroTime `json:"rebootOrderedTime,omitempty"`

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

// WorkloadKind is a kind of workload that is waited for.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type WorkloadKind string

const (
	// WorkloadDeployment is a Deployment; ready is its ready replicas.
	WorkloadDeployment WorkloadKind = "Deployment"
	// WorkloadStatefulSet is a StatefulSet; ready is its ready replicas.
	WorkloadStatefulSet WorkloadKind = "StatefulSet"
	// WorkloadPodDisruptionBudget is a PodDisruptionBudget; ready is its healthy pods.
	WorkloadPodDisruptionBudget WorkloadKind = "PodDisruptionBudget"
	// WorkloadDaemonSet is a DaemonSet; ready is 1 when its pod on the node is ready.
	WorkloadDaemonSet WorkloadKind = "DaemonSet"
	// WorkloadStaticPod is a pod that the kubelet runs from a file, such as etcd; ready is 1.
	WorkloadStaticPod WorkloadKind = "StaticPod"
)

// WorkloadRef is a workload that had pods on the node when the attempt began.
type WorkloadRef struct {
	// kind of the workload.
	// +required
	Kind WorkloadKind `json:"kind,omitempty"`

	// namespace of the workload.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the workload.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// ready is how many of its pods were ready before the drain.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Ready int32 `json:"ready"`
}

// NodeRebootStatus holds facts (order, report, boots, times) and what is derived from them (phase, reason, message, conditions).
type NodeRebootStatus struct {
	// conditions are Ready, and while they are true Reconciling and Stalled (kstatus); Drained and Rebooted are milestones. Types with a
	// domain, such as example.com/backup-done, belong to others: there may be 48 of them, with messages of up to 4096 characters, so that
	// there is always room for the operator's own.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime > timestamp('0001-01-01T00:00:00Z') && c.lastTransitionTime < timestamp('9999-12-31T00:00:00Z'))",message="lastTransitionTime of a condition is a time in the years from 1 to 9999, written like 2026-01-31T22:05:00Z"
	// +kubebuilder:validation:XValidation:rule="self.map(c, c.type.contains('/') ? 1 : 0).sum() <= 48",message="a NodeReboot takes no more than 48 conditions of others: use fewer types, and remove those that are not needed"
	// +kubebuilder:validation:items:XValidation:rule="!self.type.contains('/') || self.message.size() <= 4096",message="the message of a condition may be 4096 characters long: shorten it"
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status is about; -1 until the operator has looked.
	// +optional
	// +kubebuilder:validation:Maximum=9007199254740991
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// phase is a one-word summary for people.
	// +optional
	Phase Phase `json:"phase,omitempty"`

	// reason says in one word why the NodeReboot is where it is, for example what a pending one waits for.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says the same in a sentence that names the object in the way, and until when.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// summary is the column STATUS of kubectl get: Succeeded or Cancelled once that is so, and else the reason.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Summary string `json:"summary,omitempty"`

	// untilTime is when time alone ends what the NodeReboot waits for: a window opens, a back-off is over, a drain runs out of time. It is
	// missing if that is not known, or something else has to happen.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	UntilTime *metav1.MicroTime `json:"untilTime,omitempty"`

	// until is untilTime for people, in the time zone of the policy: the time of day if that was today when it was written, else the date.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Until string `json:"until,omitempty"`

	// policyName is the policy that owns the node. While an attempt is open it is the one that granted it, whatever labels change.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PolicyName string `json:"policyName,omitempty"`

	// zone of the node. While an attempt is open it is the one in which it was granted.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Zone string `json:"zone,omitempty"`

	// nodeUID is the UID of the Node that the NodeReboot is about.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	NodeUID string `json:"nodeUID,omitempty"`

	// requiredSince is since when the reboot is required.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RequiredSince *metav1.MicroTime `json:"requiredSince,omitempty"`

	// approvedTime is when the operator first saw the approval that is Given now. Under a schedule it holds until the window that was open
	// then, or else the next one, closes.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	ApprovedTime *metav1.MicroTime `json:"approvedTime,omitempty"`

	// approvedBy is the name of the user who gave that approval.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ApprovedBy string `json:"approvedBy,omitempty"`

	// taintedTime is when the node was tainted.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	TaintedTime *metav1.MicroTime `json:"taintedTime,omitempty"`

	// taintLeadSeconds is the time from the taint to the order to drain, in whole seconds.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740991
	TaintLeadSeconds *int64 `json:"taintLeadSeconds,omitempty"`

	// before is the boot that has to end.
	// +optional
	Before *BootInfo `json:"before,omitempty"`

	// after is the boot that took its place.
	// +optional
	After *BootInfo `json:"after,omitempty"`

	// attempt is the current attempt, or the last one.
	// +optional
	Attempt *Attempt `json:"attempt,omitempty"`

	// failures remembers failed attempts.
	// +optional
	Failures *Failures `json:"failures,omitempty"`

	// workloads had pods on the node when the attempt began.
	// +optional
	// +listType=map
	// +listMapKey=kind
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=512
	Workloads []WorkloadRef `json:"workloads,omitempty"`

	// lastSequence is the highest sequence of any order so far.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740991
	LastSequence int64 `json:"lastSequence,omitempty"`

	// pendingHooks are the types of the conditions that are awaited now, for those who are to set them to True.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=316
	PendingHooks []string `json:"pendingHooks,omitempty"`

	// order for the node's helper; absent when there is nothing to do.
	// +optional
	Order *RebootOrder `json:"order,omitempty"`

	// report of the node's helper. Only the helper writes it.
	// +optional
	Report *HelperReport `json:"report,omitempty"`

	// outcome is how the NodeReboot ended; not set before.
	// +optional
	Outcome Outcome `json:"outcome,omitempty"`

	// outcomeReason is the reason of the outcome.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	OutcomeReason string `json:"outcomeReason,omitempty"`

	// outcomeMessage tells people more about the outcome.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	OutcomeMessage string `json:"outcomeMessage,omitempty"`

	// completionTime is when the NodeReboot ended.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	CompletionTime *metav1.MicroTime `json:"completionTime,omitempty"`
}

// NodeReboot is one reboot of one node, from "required" to "proved". Deleting it cancels it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=nrb,categories=reboots
// +kubebuilder:selectablefield:JSONPath=.spec.nodeName
// +kubebuilder:selectablefield:JSONPath=.status.phase
// +kubebuilder:selectablefield:JSONPath=.status.policyName
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=".status.summary"
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=".status.until"
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=".status.phase",priority=1
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=".spec.nodeName",priority=1
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=".status.policyName",priority=1
// +kubebuilder:printcolumn:name="Zone",type=string,JSONPath=".status.zone",priority=1
// +kubebuilder:printcolumn:name="Trigger",type=string,JSONPath=".spec.trigger",priority=1
// +kubebuilder:printcolumn:name="Attempt",type=integer,JSONPath=".status.attempt.number",priority=1
// +kubebuilder:printcolumn:name="Pods left",type=integer,JSONPath=".status.report.drain.remaining",priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=".metadata.creationTimestamp",priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=".status.message",priority=1
// +kubebuilder:printcolumn:name="Kernel before",type=string,JSONPath=".status.before.kernelVersion",priority=1
// +kubebuilder:printcolumn:name="Kernel after",type=string,JSONPath=".status.after.kernelVersion",priority=1
type NodeReboot struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is asked for.
	// +required
	Spec NodeRebootSpec `json:"spec,omitempty,omitzero"`

	// status is what has happened so far.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status NodeRebootStatus `json:"status,omitempty,omitzero"`

	// Unreadable names the fields of the stored object that could not be decoded. It is no field of the API.
	Unreadable []decode.Problem `json:"-"`
}

// NodeRebootList is a list of NodeReboot.
//
// +kubebuilder:object:root=true
type NodeRebootList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodeReboot `json:"items"`
}
