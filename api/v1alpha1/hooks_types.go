package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HooksSpec names conditions that your own programs set to True on the NodeReboot, and that the operator waits for while the slot is held.
type HooksSpec struct {
	// beforeDrain lists hooks to wait for after the cordon and before the first eviction.
	// +optional
	// +listType=map
	// +listMapKey=conditionType
	// +kubebuilder:validation:MaxItems=8
	BeforeDrain []Hook `json:"beforeDrain,omitempty"`

	// beforeReboot lists hooks to wait for after the drain and before the host is ordered to reboot.
	// +optional
	// +listType=map
	// +listMapKey=conditionType
	// +kubebuilder:validation:MaxItems=8
	BeforeReboot []Hook `json:"beforeReboot,omitempty"`

	// afterReboot lists hooks to wait for after the node and its workloads have recovered, and before the slot is freed.
	// +optional
	// +listType=map
	// +listMapKey=conditionType
	// +kubebuilder:validation:MaxItems=8
	AfterReboot []Hook `json:"afterReboot,omitempty"`
}

// Hook is one condition to wait for.
type Hook struct {
	// conditionType is the type of the condition. It needs a domain of your own, such as example.com/backup-done: types without a domain
	// belong to the operator.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$') && !self.startsWith('reboot-operator.io/')",message="conditionType needs a domain of your own and a name: write one such as example.com/backup-done"
	ConditionType string `json:"conditionType,omitempty"`

	// timeoutSeconds is how many seconds to wait for the hook before onTimeout applies. Defaults to 600 (10 minutes).
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 604800",message="must be a number of seconds from 1 to 604800: write 1800 for 30m"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onTimeout says what happens when the hook is not done in time. Abort fails the attempt; after the reboot, when nothing can be rolled
	// back, the attempt stalls instead: it holds its slot until the hook is done or the NodeReboot is deleted. Continue goes ahead without the
	// hook, and reports it. Defaults to Abort.
	// +optional
	// +kubebuilder:default=Abort
	// +kubebuilder:validation:Enum=Abort;Continue
	OnTimeout TimeoutAction `json:"onTimeout,omitempty"`
}

// StaleCondition is a condition set by others that was already True when an attempt began, or when its host came back. It does not count as
// done until it changes.
type StaleCondition struct {
	// type is the type of the condition.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	Type string `json:"type,omitempty"`

	// lastTransitionTime is the one that the condition had then.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$`
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty,omitzero"`
}
