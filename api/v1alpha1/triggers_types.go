package v1alpha1

// TriggersSpec says what besides the hosts themselves asks for reboots.
type TriggersSpec struct {
	// nodeConditions are conditions of a Node, set for example by node-problem-detector, for which the node is rebooted.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	NodeConditions []NodeConditionTrigger `json:"nodeConditions,omitempty"`
}

// TriggerStatus is the status of a condition that asks for a reboot. Unknown never does.
//
// +k8s:enum
type TriggerStatus string

const (
	// TriggerTrue asks for a reboot while the condition is True.
	TriggerTrue TriggerStatus = "True"
	// TriggerFalse asks for a reboot while the condition is False.
	TriggerFalse TriggerStatus = "False"
)

// NodeConditionTrigger is a condition of a Node for which it is rebooted.
type NodeConditionTrigger struct {
	// type of the condition, such as KernelDeadlock.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="!(self in ['Ready', 'MaintenancePlanned', 'DrainInProgress', 'Drained', 'MaintenanceInProgress'])",message="a node is not rebooted for a condition that a reboot itself changes: name one that tells of a problem, such as KernelDeadlock"
	Type string `json:"type,omitempty"`

	// status that asks for a reboot: True or False.
	// +optional
	// +kubebuilder:default="True"
	Status TriggerStatus `json:"status,omitempty"`

	// minSeconds is how long the condition must have had the status, and the node must have been Ready.
	// +optional
	// +kubebuilder:default=300
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="this is a number of seconds from 0 to 86400: write 1800 for 30m"
	MinSeconds *int32 `json:"minSeconds,omitempty"`
}
