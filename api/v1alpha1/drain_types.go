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

// DrainOrder carries what a policy says about the drain.
type DrainOrder struct {
	// gracePeriodSeconds overrides the pods' own termination grace period.
	// +optional
	// +kubebuilder:validation:Minimum=0
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// podSelector limits which pods are evicted.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	PodSelector string `json:"podSelector,omitempty"`

	// skipWaitForDeleteSeconds stops waiting for a pod that has been terminating for longer.
	// +optional
	// +kubebuilder:validation:Minimum=1
	SkipWaitForDeleteSeconds *int32 `json:"skipWaitForDeleteSeconds,omitempty"`
}

// DrainProgress says how far a drain is.
type DrainProgress struct {
	// total is how many pods had to go when the drain began.
	// +optional
	Total int32 `json:"total"`

	// remaining is how many are still there.
	// +optional
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
