package v1alpha1

// DrainSpec says how pods are moved off a node.
type DrainSpec struct {
	// delaySeconds is waited between the cordon and the first eviction.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	DelaySeconds *int32 `json:"delaySeconds,omitempty"`

	// timeoutSeconds is how long a drain may take. After it the drain is taken back, the node uncordoned, and another attempt made
	// after failure.backoffSeconds.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// gracePeriodSeconds overrides the termination grace period of every evicted pod. Not set means each pod's own.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// podSelector is a label selector in its string form; only pods that it selects are evicted. Not set means all.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	PodSelector string `json:"podSelector,omitempty"`

	// skipWaitForDeleteSeconds stops waiting for a pod that has been terminating for longer than this. Not set means that every pod is
	// waited for.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	SkipWaitForDeleteSeconds *int32 `json:"skipWaitForDeleteSeconds,omitempty"`
}

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

// NodeLabels are labels that a node gets. A label that is changed by somebody else meanwhile is left as it is then.
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

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`
type LabelValue string

// DrainOrder carries what a policy says about the drain.
type DrainOrder struct {
	// gracePeriodSeconds overrides the pods' own termination grace period.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// podSelector limits which pods are evicted.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	PodSelector string `json:"podSelector,omitempty"`

	// skipWaitForDeleteSeconds stops waiting for a pod that has been terminating for longer.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	SkipWaitForDeleteSeconds *int32 `json:"skipWaitForDeleteSeconds,omitempty"`
}

// DrainProgress says how far a drain is.
type DrainProgress struct {
	// total is how many pods had to go when the drain began.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Total int32 `json:"total"`

	// remaining is how many are still there.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Remaining int32 `json:"remaining"`

	// refused lists pods whose eviction was refused at the last try, and what refused it.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=10
	Refused []RefusedPod `json:"refused,omitempty"`
}

// RefusedPod is a pod that could not be evicted.
type RefusedPod struct {
	// namespace of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// by names what refused the eviction, for example "PodDisruptionBudget web".
	// +optional
	// +kubebuilder:validation:MaxLength=320
	By string `json:"by,omitempty"`

	// message is the API server's answer.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}
