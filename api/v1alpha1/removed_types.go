package v1alpha1

// Fields that a RebootPolicy no longer has. They stay in the schema because the API server drops unknown fields before it evaluates rules:
// a policy that is written in the old form would be accepted, and would mean something else. Each field refuses every value and names what
// to write instead.

// RemovedSpecFields are fields that spec no longer has.
type RemovedSpecFields struct {
	// excludeFromLoadBalancers is removed. Write drain.excludeFromLoadBalancers.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="excludeFromLoadBalancers is now below drain: write drain.excludeFromLoadBalancers"
	RemovedExclusion *RemovedLoadBalancerExclusion `json:"excludeFromLoadBalancers,omitempty"`
}

// RemovedLoadBalancerExclusion is what excludeFromLoadBalancers held.
type RemovedLoadBalancerExclusion struct {
	// leadSeconds is removed. Write drain.excludeFromLoadBalancers.leadSeconds.
	// +optional
	LeadSeconds *int64 `json:"leadSeconds,omitempty"`
}

// RemovedRolloutFields are fields that rollout no longer has.
type RemovedRolloutFields struct {
	// groupLabel is removed. Write group.
	// +optional
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:XValidation:rule="false",message="groupLabel is now group: write 'group: {label: ..., maxSize: ...}', where maxSize is the most nodes that may go together"
	RemovedGroupLabel string `json:"groupLabel,omitempty"`
}

// RemovedDrainFields are fields that drain no longer has.
type RemovedDrainFields struct {
	RemovedPodSelectorField `json:",inline"`

	// adaptiveDelay is removed. Write rollout.adaptiveDelay.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="adaptiveDelay is now below rollout: write rollout.adaptiveDelay"
	RemovedAdaptiveDelay *RemovedAdaptiveDelay `json:"adaptiveDelay,omitempty"`
}

// RemovedAdaptiveDelay is what drain.adaptiveDelay held.
type RemovedAdaptiveDelay struct {
	// minSeconds is removed. Write rollout.adaptiveDelay.minSeconds.
	// +optional
	MinSeconds *int64 `json:"minSeconds,omitempty"`

	// maxSeconds is removed. Write rollout.adaptiveDelay.maxSeconds.
	// +optional
	MaxSeconds *int64 `json:"maxSeconds,omitempty"`
}

// RemovedPodSelectorField is the field of drain, of its stages and of waitForPods that selected pods by a string.
type RemovedPodSelectorField struct {
	// podSelector is removed. Write selector.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="false",message="podSelector is now selector: write for example 'selector: {matchLabels: {app: web}}' for app=web"
	RemovedPodSelector string `json:"podSelector,omitempty"`
}

// RemovedFailureFields are fields that failure no longer has.
type RemovedFailureFields struct {
	// maxDeferralSeconds is removed. Write schedule.maxDeferralSeconds.
	// +optional
	// +kubebuilder:validation:XValidation:rule="false",message="maxDeferralSeconds is now below schedule: write schedule.maxDeferralSeconds"
	RemovedMaxDeferralSeconds *int64 `json:"maxDeferralSeconds,omitempty"`
}
