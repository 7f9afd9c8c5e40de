package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// CanarySpec lets a few nodes go first, and watches them before the other nodes follow.
type CanarySpec struct {
	// count is how many nodes go first: a number, or a percentage of the policy's nodes, rounded down but at least one. A group of nodes
	// counts as one. If every node is a canary, no node waits for one; the condition CanaryTooLarge says so. Defaults to 1.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 15000 : self.matches('^[1-9][0-9]?%$')",message="count is a number of nodes from 1 to 15000, such as 1, or a percentage from \"1%\" to \"99%\", such as \"10%\""
	Count *intstr.IntOrString `json:"count,omitempty"`

	// soakSeconds is how many seconds the canaries are watched after their reboots are proved, before other nodes start. 0 means no watching.
	// Defaults to 3600 (1 hour).
	// +optional
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 2592000",message="must be a number of seconds from 0 to 2592000: write 1800 for 30m"
	SoakSeconds *int32 `json:"soakSeconds,omitempty"`
}

// AttemptRole is the role of an attempt in its rollout. A program that is newer than the schema may write another value; see
// docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type AttemptRole string

const (
	// RoleCanary goes first, and other nodes wait for it.
	RoleCanary AttemptRole = "Canary"
)

// CanaryStatus is the progress of a policy's canaries.
type CanaryStatus struct {
	// underWay is how many canaries hold a slot.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	UnderWay int32 `json:"underWay"`

	// soaking is how many canaries were proved and are being watched.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Soaking int32 `json:"soaking"`

	// failed is how many canaries failed and hold up the other nodes.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Failed int32 `json:"failed"`

	// soakedTime is when the watch over the last soaking canary ends.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	SoakedTime *metav1.MicroTime `json:"soakedTime,omitempty"`
}
