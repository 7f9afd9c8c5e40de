package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FailureSpec says how the operator responds to failures.
type FailureSpec struct {
	RemovedFailureFields `json:",inline"`

	// maxFailures halts the policy once this many nodes have failed to come back: nothing more starts, and attempts whose host was not ordered
	// to reboot are rolled back. The policy continues when the nodes come back, or when their NodeReboots are deleted. A percentage is of the
	// policy's nodes, rounded down but at least one node. Defaults to 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 15000 : self.matches('^(100|[1-9][0-9]?)%$')",message="maxFailures is a number of nodes from 1 to 15000, such as 1, or a percentage from \"1%\" to \"100%\", such as \"10%\""
	MaxFailures *intstr.IntOrString `json:"maxFailures,omitempty"`

	// maxConsecutiveFailures halts the policy once this many different nodes in a row have failed without a reboot: their drain, hook or order
	// to reboot failed, and no node was rebooted in between. While the policy is halted, one node at a time is tried again after a back-off; a
	// node that comes back from its reboot ends the halt. 0 means that the policy never halts for this. A percentage is of the policy's nodes,
	// rounded down but at least one node. Defaults to 3.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 15000 : self.matches('^(100|[1-9][0-9]?)%$')",message="maxConsecutiveFailures is a number of nodes from 0 to 15000, such as 3, where 0 means no limit, or a percentage from \"1%\" to \"100%\", such as \"10%\""
	MaxConsecutiveFailures *intstr.IntOrString `json:"maxConsecutiveFailures,omitempty"`

	// maxAttempts is how many attempts of one NodeReboot may reach the host and fail before the NodeReboot is given up. Attempts that end
	// earlier, or whose host refuses to reboot, do not count: they are repeated as long as the reboot is needed. Defaults to 3.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxAttempts *int32 `json:"maxAttempts,omitempty"`

	// nodeGoneTimeoutSeconds is how many seconds the Node object of a host that was ordered to reboot may be missing before the reboot is
	// given up and its slot is freed. If not set, the operator waits until the host registers again, or until someone deletes the NodeReboot.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 60 && self <= 31536000",message="must be a number of seconds from 60 to 31536000: write 1800 for 30m"
	NodeGoneTimeoutSeconds *int32 `json:"nodeGoneTimeoutSeconds,omitempty"`

	// backoffSeconds is how many seconds to wait after the first failed attempt. The wait doubles with every further failure, up to a day, and
	// ends early when a window opens. Defaults to 600 (10 minutes).
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 86400",message="must be a number of seconds from 1 to 86400: write 1800 for 30m"
	BackoffSeconds *int32 `json:"backoffSeconds,omitempty"`
}

// HistorySpec says how many finished NodeReboots of each node are kept.
type HistorySpec struct {
	// succeeded is how many successful NodeReboots are kept per node. Defaults to 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Succeeded *int32 `json:"succeeded,omitempty"`

	// failed is how many failed NodeReboots are kept per node. Defaults to 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Failed *int32 `json:"failed,omitempty"`

	// cancelled is how many cancelled NodeReboots are kept per node. 0 keeps none. Defaults to 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2
	Cancelled *int32 `json:"cancelled,omitempty"`
}
