package v1alpha1

// LoadBalancerExclusion says how a node is taken out of external load balancers.
type LoadBalancerExclusion struct {
	// leadSeconds is how long the node has the label node.kubernetes.io/exclude-from-external-load-balancers before the first pod is
	// evicted. The label is taken away when the node is proved to be rebooted and healthy, unless it was there before.
	// +optional
	// +kubebuilder:default=30
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	LeadSeconds *int32 `json:"leadSeconds,omitempty"`
}

// NodeLabels are labels that a node gets. A label that is changed by someone else meanwhile is left as it is then.
type NodeLabels struct {
	// during are on the node while a reboot of it is under way. At the end each label gets the value back that it had before, if any.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a key is not a label key: write a name such as maintenance, or example.com/maintenance"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|reboot-operator[.]io)/'))",message="labels of kubernetes.io, k8s.io and reboot-operator.io are not for policies to set: write a key of your own domain, or without a domain"
	During map[string]LabelValue `json:"during,omitempty"`

	// after are put on the node when it was rebooted and proved, and stay there.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a key is not a label key: write a name such as maintenance, or example.com/maintenance"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|reboot-operator[.]io)/'))",message="labels of kubernetes.io, k8s.io and reboot-operator.io are not for policies to set: write a key of your own domain, or without a domain"
	After map[string]LabelValue `json:"after,omitempty"`
}
