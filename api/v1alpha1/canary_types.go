package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// CanarySpec lets few nodes go first and watches them before the others follow.
type CanarySpec struct {
	// count is how many nodes go first, as a number or as a percentage of the policy's nodes, rounded down and at least one; a group of
	// nodes counts as one. All of them cannot go first: nothing would wait for them.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 15000 : self.matches('^[1-9][0-9]?%$')",message="count is a number of nodes from 1 to 15000, such as 1, or a percentage from \"1%\" to \"99%\", such as \"10%\""
	Count *intstr.IntOrString `json:"count,omitempty"`

	// soakSeconds is how long they are watched after their reboots are proved.
	// +optional
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 2592000",message="this is a number of seconds from 0 to 2592000: write 1800 for 30m"
	SoakSeconds *int32 `json:"soakSeconds,omitempty"`
}

// AttemptRole says what an attempt is for, besides its node.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type AttemptRole string

const (
	// RoleCanary goes first, and others wait for it.
	RoleCanary AttemptRole = "Canary"
)

// CanaryStatus is how far the canaries of a policy are.
type CanaryStatus struct {
	// underWay is how many canaries hold a slot.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	UnderWay int32 `json:"underWay"`

	// soaking is how many were proved and are watched.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Soaking int32 `json:"soaking"`

	// failed is how many failed and hold up the others.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Failed int32 `json:"failed"`

	// soakedTime is when the last of those that soak will have soaked.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`
	SoakedTime *metav1.MicroTime `json:"soakedTime,omitempty"`
}
