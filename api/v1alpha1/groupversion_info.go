// Package v1alpha1 is the API of reboot-operator: RebootPolicy says which nodes may be rebooted, when, how many and in which order;
// NodeReboot is one reboot of one node, from "required" to "proved".
//
// +kubebuilder:object:generate=true
// +groupName=reboot-operator.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "reboot-operator.io", Version: "v1alpha1"}

// AddToScheme registers the kinds of this package.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &RebootPolicy{}, &RebootPolicyList{}, &NodeReboot{}, &NodeRebootList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
