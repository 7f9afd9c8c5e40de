package v1alpha1

// LoadBalancerExclusion says how a node is taken out of external load balancers.
type LoadBalancerExclusion struct {
	// leadSeconds is how many seconds the node has the label node.kubernetes.io/exclude-from-external-load-balancers before the first pod is
	// evicted. The label is removed when the node is proved to be rebooted and healthy, unless the node had it before. Defaults to 30.
	// +optional
	// +kubebuilder:default=30
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="must be a number of seconds from 0 to 86400: write 1800 for 30m"
	LeadSeconds *int32 `json:"leadSeconds,omitempty"`
}

// NodeLabels are labels that the operator sets on a node. If someone else changes such a label in the meantime, it stays as they left it.
type NodeLabels struct {
	// during are labels of the node while its reboot is under way. At the end each label gets its previous value back, or is removed if it had
	// none.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a key is not a valid label key: write a name such as maintenance, or example.com/maintenance"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|reboot-operator[.]io)/'))",message="policies cannot set labels of kubernetes.io, k8s.io and reboot-operator.io: write a key of your own domain, or without a domain"
	During map[string]LabelValue `json:"during,omitempty"`

	// after are labels that the node gets when its reboot is proved, and keeps.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="a key is not a valid label key: write a name such as maintenance, or example.com/maintenance"
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|reboot-operator[.]io)/'))",message="policies cannot set labels of kubernetes.io, k8s.io and reboot-operator.io: write a key of your own domain, or without a domain"
	After map[string]LabelValue `json:"after,omitempty"`
}
