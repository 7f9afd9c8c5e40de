package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// LabelSelector selects objects by their labels, as in the rest of Kubernetes: all requirements must match.
type LabelSelector struct {
	// matchLabels are labels that an object must have, with these values.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a key is not a valid label key: write a name such as app, or a domain and a name such as example.com/app"
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// matchExpressions are requirements on an object's labels.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	MatchExpressions []LabelRequirement `json:"matchExpressions,omitempty"`
}

// LabelRequirement is a requirement on one label.
//
// +kubebuilder:validation:XValidation:rule="!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",message="operators In and NotIn compare with values: write at least one, or operator Exists or DoesNotExist",fieldPath=".values"
// +kubebuilder:validation:XValidation:rule="!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || size(self.values) == 0",message="operators Exists and DoesNotExist compare with no value: remove values, or write operator In or NotIn",fieldPath=".values"
type LabelRequirement struct {
	// key is the key of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="key is not a valid label key: write a name such as app, or a domain and a name such as example.com/app"
	Key string `json:"key,omitempty"`

	// operator says how to compare the label: In and NotIn compare it with values, Exists and DoesNotExist do not.
	// +required
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
	Operator metav1.LabelSelectorOperator `json:"operator,omitempty"`

	// values are what In and NotIn compare the label with.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Values []LabelValue `json:"values,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="not a valid label value: write up to 63 letters, digits, '-', '_' and '.', the first and the last of them a letter or a digit"
type LabelValue string

// PodSelector selects pods by their labels and annotations: all requirements must match.
//
// +kubebuilder:validation:XValidation:rule="(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0) || (has(self.matchAnnotations) && size(self.matchAnnotations) > 0)",message="an empty selector does not say which pods are meant: write matchLabels, matchExpressions or matchAnnotations"
type PodSelector struct {
	LabelSelector `json:",inline"`

	// matchAnnotations are annotations that a pod must have, with exactly these values, such as
	// cluster-autoscaler.kubernetes.io/safe-to-evict: "false".
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a key is not a valid annotation key: write a name, or a domain and a name such as karpenter.sh/do-not-disrupt"
	MatchAnnotations map[string]AnnotationValue `json:"matchAnnotations,omitempty"`
}

// MaxAnnotationValue is the maximum length of an annotation's value in a selector.
const MaxAnnotationValue = 253

// AnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=253
type AnnotationValue string
