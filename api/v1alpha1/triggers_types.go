package v1alpha1

// TriggersSpec says what asks for reboots in addition to the hosts themselves.
type TriggersSpec struct {
	// nodeConditions are conditions of a Node that ask for its reboot, set for example by node-problem-detector.
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

// NodeConditionTrigger is a condition of a Node that asks for its reboot.
type NodeConditionTrigger struct {
	// type is the type of the condition, such as KernelDeadlock.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="!(self in ['Ready', 'MaintenancePlanned', 'DrainInProgress', 'Drained', 'MaintenanceInProgress'])",message="a reboot itself changes this condition, so it cannot ask for one: name a condition that reports a problem, such as KernelDeadlock"
	Type string `json:"type,omitempty"`

	// status is the status that asks for a reboot: True or False. Defaults to True.
	// +optional
	// +kubebuilder:default="True"
	Status TriggerStatus `json:"status,omitempty"`

	// minSeconds is for how many seconds the condition must have had the status, and the node must have been Ready, as the manager sees it. It
	// counts at the earliest from when a policy names the condition. 0 means no wait. Defaults to 300 (5 minutes).
	// +optional
	// +kubebuilder:default=300
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="must be a number of seconds from 0 to 86400: write 1800 for 30m"
	MinSeconds *int32 `json:"minSeconds,omitempty"`
}
