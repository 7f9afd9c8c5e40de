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
	// UrgencyImmediate goes before every Normal reboot whose turn it is, too, and does not wait for windows and freezes. It respects every
	// limit and the order of zones, and still drains.
	UrgencyImmediate Urgency = "Immediate"
)

// NodeRebootSpec asks for one reboot of one node.
//
// +kubebuilder:validation:XValidation:rule="(self.trigger == 'NodeCondition') == has(self.conditionType)",message="conditionType goes only with 'trigger: NodeCondition': write both or neither",fieldPath=".conditionType"
// +kubebuilder:validation:XValidation:rule="!has(self.bootID) || self.trigger == 'Sentinel'",message="bootID goes only with 'trigger: Sentinel': remove it",fieldPath=".bootID"
// +kubebuilder:validation:XValidation:rule="has(self.bootID) == has(oldSelf.bootID) && (!has(self.bootID) || self.bootID == oldSelf.bootID)",message="bootID cannot be changed: create another NodeReboot, and delete this one to cancel it",fieldPath=".bootID"
// +kubebuilder:validation:XValidation:rule="(self.approval == 'Given') == has(self.approvedBy)",message="'approval: Given' goes with approvedBy, your user name as 'kubectl auth whoami' prints it: write both, or neither to withdraw an approval",fieldPath=".approvedBy"
// +kubebuilder:validation:XValidation:rule="has(self.requestedBy) == has(oldSelf.requestedBy) && (!has(self.requestedBy) || self.requestedBy == oldSelf.requestedBy)",message="requestedBy cannot be changed: it names the user who created the NodeReboot",fieldPath=".requestedBy"
type NodeRebootSpec struct {
	// nodeName is the node to reboot.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="nodeName cannot be changed: create another NodeReboot for the other node, and delete this one to cancel it"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	NodeName string `json:"nodeName,omitempty"`

	// trigger says what asked for the reboot: Sentinel (a sentinel on the host), NodeCondition (a condition of the Node), or Manual (a person
	// or a program). Defaults to Manual.
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

	// bootID is the boot in which the host's sentinel asked for the reboot. The node's helper sets it. It identifies the need, so that one
	// need of one boot results in one NodeReboot, whatever its name is.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	BootID string `json:"bootID,omitempty"`

	// reason says why the node has to reboot, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`

	// urgency says how urgent the reboot is. Immediate goes before every Normal reboot whose turn it is, too, and does not wait for windows
	// and freezes. It respects every limit and the order of zones, and still drains. Defaults to Normal.
	// +optional
	// +kubebuilder:default=Normal
	Urgency Urgency `json:"urgency,omitempty"`

	// approval says whether the reboot is approved. Given lets it start if the policy has approval: Require. Under a schedule, an approval is
	// valid for the window that is open or, if none is open, for the next one. If you set it to NotGiven before the host is ordered to reboot,
	// the reboot does not happen. Setting Given requires the verb approve on nodereboots. Defaults to NotGiven.
	// +optional
	// +kubebuilder:default=NotGiven
	Approval Approval `json:"approval,omitempty"`

	// approvedBy is the name of the user who gave the approval. The manager fills it in; no one can write the name of someone
	// else. A policy with selfApproval: Refuse does not accept the name in requestedBy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ApprovedBy string `json:"approvedBy,omitempty"`

	// requestedBy is the name of the user who created the NodeReboot. The manager fills it in for people; no one can write the name of
	// someone else, and it cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	RequestedBy string `json:"requestedBy,omitempty"`
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

	// spec says which reboot is requested.
	// +required
	Spec NodeRebootSpec `json:"spec,omitempty,omitzero"`

	// status is what has happened so far.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status NodeRebootStatus `json:"status,omitempty,omitzero"`

	// Unreadable names the fields of the stored object that could not be decoded. It is not a field of the API.
	Unreadable []decode.Problem `json:"-"`

	// Abridged says that only a part of the stored object was kept. It is not a field of the API. An abridged NodeReboot cannot be encoded, so
	// that an incomplete object is never written.
	Abridged bool `json:"-"`
}

// NodeRebootList is a list of NodeReboot.
//
// +kubebuilder:object:root=true
type NodeRebootList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []NodeReboot `json:"items"`
}
