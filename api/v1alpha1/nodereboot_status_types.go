package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Phase is a one-word summary for people and field selectors; programs read the conditions.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type Phase string

const (
	// PhasePending waits to start; the reason says what it waits for.
	PhasePending Phase = "Pending"
	// PhaseDraining holds a slot; the node is cordoned and drained.
	PhaseDraining Phase = "Draining"
	// PhaseRebooting has ordered the host to reboot.
	PhaseRebooting Phase = "Rebooting"
	// PhaseRecovering has seen another boot ID and waits for the node and its workloads.
	PhaseRecovering Phase = "Recovering"
	// PhaseSucceeded is a proved reboot.
	PhaseSucceeded Phase = "Succeeded"
	// PhaseFailed has failed; while completionTime is not set, the node is still watched and may yet recover.
	PhaseFailed Phase = "Failed"
	// PhaseCancelled is no longer needed.
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
	// OutcomeCancelled was no longer needed.
	OutcomeCancelled Outcome = "Cancelled"
)

// NodeRebootStatus holds facts (order, report, boots, times) and what is derived from them (phase, reason, message, conditions).
type NodeRebootStatus struct {
	// conditions are Ready and, while they are true, Reconciling and Stalled (kstatus). Drained and Rebooted are milestones. Types with a
	// domain, such as example.com/backup-done, belong to others: up to 48 of them, with messages of up to 4096 characters, so that there is
	// always room for the operator's own.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime > timestamp('0001-01-01T00:00:00Z') && c.lastTransitionTime < timestamp('9999-12-31T00:00:00Z'))",message="lastTransitionTime of a condition is a time in the years from 1 to 9999, written like 2026-01-31T22:05:00Z"
	// +kubebuilder:validation:XValidation:rule="self.map(c, c.type.contains('/') ? 1 : 0).sum() <= 48",message="a NodeReboot takes no more than 48 conditions of others: use fewer types, and remove those that are not needed"
	// +kubebuilder:validation:items:XValidation:rule="!self.type.contains('/') || self.message.size() <= 4096",message="the message of a condition may be 4096 characters long: shorten it"
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status is about; -1 until the operator has seen the object.
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

	// message explains the reason in a sentence that names the object in the way, and until when.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// summary is the STATUS column of kubectl get: Succeeded or Cancelled once the NodeReboot has ended so, otherwise the reason.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Summary string `json:"summary,omitempty"`

	// untilTime is when time alone ends the wait of the NodeReboot: a window opens, a back-off ends, a drain times out. It is not set if that
	// time is not known, or if something else has to happen.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	UntilTime *metav1.MicroTime `json:"untilTime,omitempty"`

	// until is untilTime for people, in the policy's time zone: the time of day if it was on the day on which it was written, otherwise the
	// date.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Until string `json:"until,omitempty"`

	// policyName is the policy that owns the node. While an attempt is open, it is the policy that granted the attempt, even if labels change.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PolicyName string `json:"policyName,omitempty"`

	// zone is the zone of the node. While an attempt is open, it is the zone in which the attempt was granted.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Zone string `json:"zone,omitempty"`

	// nodeUID is the UID of the Node that the NodeReboot is about.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	NodeUID string `json:"nodeUID,omitempty"`

	// requiredSince is the time since which the reboot has been required.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	RequiredSince *metav1.MicroTime `json:"requiredSince,omitempty"`

	// approvedTime is when the operator first saw the approval that is Given now. Under a schedule, the approval is valid until the window
	// that was open at that time closes or, if none was open, until the next window closes.
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

	// before is the boot that the reboot has to end.
	// +optional
	Before *BootInfo `json:"before,omitempty"`

	// after is the boot that followed it.
	// +optional
	After *BootInfo `json:"after,omitempty"`

	// attempt is the current attempt, or the last one.
	// +optional
	Attempt *Attempt `json:"attempt,omitempty"`

	// failures counts the failed attempts, and says how the last one failed.
	// +optional
	Failures *Failures `json:"failures,omitempty"`

	// workloads are the workloads that had pods on the node when the attempt began.
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

	// pendingHooks are the types of the conditions that the operator waits for now. The programs behind these hooks set them to True.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=316
	PendingHooks []string `json:"pendingHooks,omitempty"`

	// order is the order to the node's helper. It is not set while there is nothing to do.
	// +optional
	Order *RebootOrder `json:"order,omitempty"`

	// report is what the node's helper reports. Only the helper writes it.
	// +optional
	Report *HelperReport `json:"report,omitempty"`

	// outcome says how the NodeReboot ended. It is not set before.
	// +optional
	Outcome Outcome `json:"outcome,omitempty"`

	// outcomeReason is the reason of the outcome.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	OutcomeReason string `json:"outcomeReason,omitempty"`

	// outcomeMessage explains the outcome.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	OutcomeMessage string `json:"outcomeMessage,omitempty"`

	// completionTime is when the NodeReboot ended.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	CompletionTime *metav1.MicroTime `json:"completionTime,omitempty"`
}
