package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FailureSpec says how failures are answered.
type FailureSpec struct {
	RemovedFailureFields `json:",inline"`

	// maxFailures is how many nodes may have failed to come back before the policy halts: nothing more starts, and attempts whose host was not
	// ordered to reboot are rolled back. It goes on when they do come back, or when their NodeReboots are deleted. A percentage is one of the
	// policy's nodes, rounded down, and at least one node.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 15000 : self.matches('^(100|[1-9][0-9]?)%$')",message="maxFailures is a number of nodes from 1 to 15000, such as 1, or a percentage from \"1%\" to \"100%\", such as \"10%\""
	MaxFailures *intstr.IntOrString `json:"maxFailures,omitempty"`

	// maxConsecutiveFailures is how many nodes in a row may fail without a reboot before the policy halts: different nodes whose drain, hook
	// or order to reboot fails, with no node rebooted in between. While the policy is halted, one node at a time is tried again after a
	// back-off; a node that comes back from its reboot ends the halt. 0 means that the policy never halts for this. A percentage is one of the
	// policy's nodes, rounded down, and at least one node.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 15000 : self.matches('^(100|[1-9][0-9]?)%$')",message="maxConsecutiveFailures is a number of nodes from 0 to 15000, such as 3, where 0 means no limit, or a percentage from \"1%\" to \"100%\", such as \"10%\""
	MaxConsecutiveFailures *intstr.IntOrString `json:"maxConsecutiveFailures,omitempty"`

	// maxAttempts is how many attempts of one NodeReboot may reach the host and fail before it is given up. Attempts that end before, or whose
	// host refuses to reboot, do not count: they are repeated for as long as the reboot is needed.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxAttempts *int32 `json:"maxAttempts,omitempty"`

	// nodeGoneTimeoutSeconds is how long the Node object of a host that was ordered to reboot may be gone before the reboot is given up and
	// its slot is freed. Not set means that the host is waited for until it registers again, or a person deletes the NodeReboot.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 60 && self <= 31536000",message="this is a number of seconds from 60 to 31536000: write 1800 for 30m"
	NodeGoneTimeoutSeconds *int32 `json:"nodeGoneTimeoutSeconds,omitempty"`

	// backoffSeconds is waited after the first failed attempt; it doubles with every further one, up to a day. It ends when a window opens.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 86400",message="this is a number of seconds from 1 to 86400: write 1800 for 30m"
	BackoffSeconds *int32 `json:"backoffSeconds,omitempty"`
}

// HistorySpec says how many finished NodeReboots of each node are kept.
type HistorySpec struct {
	// succeeded is how many successful ones are kept per node.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Succeeded *int32 `json:"succeeded,omitempty"`

	// failed is how many failed ones are kept per node.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Failed *int32 `json:"failed,omitempty"`

	// cancelled is how many cancelled ones are kept per node.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2
	Cancelled *int32 `json:"cancelled,omitempty"`
}
