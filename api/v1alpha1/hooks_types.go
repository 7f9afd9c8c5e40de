package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HooksSpec names conditions on the NodeReboot that others set to True, and that are awaited while its slot is held.
type HooksSpec struct {
	// beforeDrain are awaited after the cordon and before the first eviction.
	// +optional
	// +listType=map
	// +listMapKey=conditionType
	// +kubebuilder:validation:MaxItems=8
	BeforeDrain []Hook `json:"beforeDrain,omitempty"`

	// beforeReboot are awaited after the drain and before the host is ordered to reboot.
	// +optional
	// +listType=map
	// +listMapKey=conditionType
	// +kubebuilder:validation:MaxItems=8
	BeforeReboot []Hook `json:"beforeReboot,omitempty"`

	// afterReboot are awaited after the node and its workloads have recovered, and before the slot is freed.
	// +optional
	// +listType=map
	// +listMapKey=conditionType
	// +kubebuilder:validation:MaxItems=8
	AfterReboot []Hook `json:"afterReboot,omitempty"`
}

// Hook is one condition that is awaited.
type Hook struct {
	// conditionType is the type of the condition. It needs a domain of your own, such as example.com/backup-done: types without one are
	// the operator's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$') && !self.startsWith('reboot-operator.io/')",message="conditionType needs a domain of your own and a name: write one such as example.com/backup-done"
	ConditionType string `json:"conditionType,omitempty"`

	// timeoutSeconds is how long the hook is awaited.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onTimeout says what happens when the hook is not done in time. Abort fails the attempt; after the reboot, where nothing can be rolled
	// back, the attempt stalls: it holds its slot until the hook is done or the NodeReboot is deleted. Continue goes on without the hook,
	// and says so.
	// +optional
	// +kubebuilder:default=Abort
	// +kubebuilder:validation:Enum=Abort;Continue
	OnTimeout TimeoutAction `json:"onTimeout,omitempty"`
}

// StaleCondition is a condition of others that was True already when an attempt began, or when its host came back. It does not count as
// done until it has changed.
type StaleCondition struct {
	// type of the condition.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	Type string `json:"type,omitempty"`

	// lastTransitionTime that it had.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$`
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty,omitzero"`
}
