package v1alpha1

// DrainMode says whether nodes are drained.
//
// +k8s:enum
type DrainMode string

const (
	// DrainModeDrain evicts the pods of a node before its reboot.
	DrainModeDrain DrainMode = "Drain"
	// DrainModeSkip cordons a node and reboots it with its pods.
	DrainModeSkip DrainMode = "Skip"
)

// EmptyDirHandling says what happens to pods with emptyDir volumes.
//
// +k8s:enum
type EmptyDirHandling string

const (
	// EmptyDirDelete evicts them, and the data is lost.
	EmptyDirDelete EmptyDirHandling = "Delete"
	// EmptyDirRefuse does not start a node that has such a pod.
	EmptyDirRefuse EmptyDirHandling = "Refuse"
)

// UnmanagedHandling says what happens to pods without a controller.
//
// +k8s:enum
type UnmanagedHandling string

const (
	// UnmanagedEvict evicts them, and they do not come back.
	UnmanagedEvict UnmanagedHandling = "Evict"
	// UnmanagedRefuse does not start a node that has such a pod.
	UnmanagedRefuse UnmanagedHandling = "Refuse"
)

// DrainTimeoutAction says what happens when a drain runs out of time.
//
// +k8s:enum
type DrainTimeoutAction string

const (
	// DrainTimeoutAbort gives the node back, and tries again later.
	DrainTimeoutAbort DrainTimeoutAction = "Abort"
	// DrainTimeoutForce reboots the node with the pods that are left.
	DrainTimeoutForce DrainTimeoutAction = "Force"
)

// ReturningPods says what happens when evicted pods keep coming back to the cordoned node.
//
// +k8s:enum
type ReturningPods string

const (
	// ReturningPodsIgnore goes on without waiting for them.
	ReturningPodsIgnore ReturningPods = "Ignore"
	// ReturningPodsRefuse does not complete the drain while one is on the node.
	ReturningPodsRefuse ReturningPods = "Refuse"
)

// DrainResult is how the drain of an attempt ended.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type DrainResult string

const (
	// DrainComplete means that every pod that had to go is gone.
	DrainComplete DrainResult = "Complete"
	// DrainSkipped means that the policy skips drains.
	DrainSkipped DrainResult = "Skipped"
	// DrainForced means that the drain ran out of time, and the policy goes on regardless.
	DrainForced DrainResult = "Forced"
)

// DrainSpec says how pods are moved off a node.
//
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.selector)",message="mode Skip evicts nothing, so no pod is selected: remove selector, or write 'mode: Drain'",fieldPath=".selector"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.stages)",message="mode Skip evicts nothing: remove stages, or write 'mode: Drain'",fieldPath=".stages"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.onTimeout) || self.onTimeout != 'Force'",message="mode Skip evicts nothing, so no drain times out: remove onTimeout, or write 'mode: Drain'",fieldPath=".onTimeout"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.timeoutSeconds) || self.timeoutSeconds == 600",message="mode Skip evicts nothing, so no drain times out: remove timeoutSeconds, or write 'mode: Drain'",fieldPath=".timeoutSeconds"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.emptyDir) || self.emptyDir != 'Refuse'",message="mode Skip evicts nothing, so no volume is deleted: remove emptyDir, or write 'mode: Drain'",fieldPath=".emptyDir"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.unmanaged) || self.unmanaged != 'Refuse'",message="mode Skip evicts nothing, so no pod is lost: remove unmanaged, or write 'mode: Drain'",fieldPath=".unmanaged"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.returningPods) || self.returningPods != 'Refuse'",message="mode Skip evicts nothing, so no pod returns: remove returningPods, or write 'mode: Drain'",fieldPath=".returningPods"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.gracePeriodSeconds)",message="mode Skip evicts nothing: remove gracePeriodSeconds, or write 'mode: Drain'",fieldPath=".gracePeriodSeconds"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.skipWaitForDeleteSeconds)",message="mode Skip evicts nothing: remove skipWaitForDeleteSeconds, or write 'mode: Drain'",fieldPath=".skipWaitForDeleteSeconds"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.volumeDetachSeconds)",message="mode Skip evicts nothing, so no volume is detached: remove volumeDetachSeconds, or write 'mode: Drain'",fieldPath=".volumeDetachSeconds"
type DrainSpec struct {
	RemovedDrainFields `json:",inline"`

	// mode says whether nodes are drained: with Skip they are cordoned and rebooted with their pods.
	// +optional
	// +kubebuilder:default=Drain
	Mode DrainMode `json:"mode,omitempty"`

	// emptyDir says what happens to pods with emptyDir volumes: Delete evicts them, and the data is lost; Refuse does not start a node that
	// has one.
	// +optional
	// +kubebuilder:default=Delete
	EmptyDir EmptyDirHandling `json:"emptyDir,omitempty"`

	// unmanaged says what happens to pods without a controller: Evict evicts them, and they do not come back; Refuse does not start a node
	// that has one.
	// +optional
	// +kubebuilder:default=Evict
	Unmanaged UnmanagedHandling `json:"unmanaged,omitempty"`

	// returningPods says what happens to a pod that its owner keeps putting back on the cordoned node. It is evicted up to three times for
	// each owner, with growing pauses, and named in the progress. After that, Ignore no longer waits for it, and it goes down with the host;
	// Refuse waits for it until the drain times out.
	// +optional
	// +kubebuilder:default=Ignore
	ReturningPods ReturningPods `json:"returningPods,omitempty"`

	// stages empty a node in parts: the pods of a stage are gone before the next stage begins. Pods of no stage go last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Stages []DrainStage `json:"stages,omitempty"`

	// waitForPods lets pods finish on the cordoned node before anything is evicted.
	// +optional
	WaitForPods PodWait `json:"waitForPods,omitempty,omitzero"`

	// onTimeout says what happens when the drain takes longer than timeoutSeconds: Abort gives the node back, Force reboots it with the pods
	// that are left.
	// +optional
	// +kubebuilder:default=Abort
	OnTimeout DrainTimeoutAction `json:"onTimeout,omitempty"`

	// delaySeconds is waited between the cordon and the first eviction.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="this is a number of seconds from 0 to 86400: write 1800 for 30m"
	DelaySeconds *int32 `json:"delaySeconds,omitempty"`

	// timeoutSeconds is how long a drain may take. After it onTimeout says what happens.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 86400",message="this is a number of seconds from 1 to 86400: write 1800 for 30m"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// gracePeriodSeconds overrides the termination grace period of every evicted pod. Not set means each pod's own.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="this is a number of seconds from 0 to 86400: write 1800 for 30m"
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// selector of the pods that are evicted; all others stay, and go down with the host. Not set means that all are evicted.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`

	// skipWaitForDeleteSeconds stops waiting for a pod that has been terminating for longer than this. Not set means that every pod is
	// waited for.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 86400",message="this is a number of seconds from 1 to 86400: write 1800 for 30m"
	SkipWaitForDeleteSeconds *int32 `json:"skipWaitForDeleteSeconds,omitempty"`

	// volumeDetachSeconds is how long after the drain the volumes of the node may take to be detached before it reboots. After it the reboot
	// goes on, and a warning names those that are left. Not set means that none is waited for.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self != 0",message="write for how many seconds volumes are waited for, or remove volumeDetachSeconds to wait for none"
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="this is a number of seconds from 1 to 86400: write 1800 for 30m"
	VolumeDetachSeconds *int32 `json:"volumeDetachSeconds,omitempty"`

	// excludeFromLoadBalancers takes a node out of external load balancers before its pods are evicted. Not set means that it is not.
	// +optional
	ExcludeFromLoadBalancers *LoadBalancerExclusion `json:"excludeFromLoadBalancers,omitempty"`
}

// DrainStage is a part of a node's pods.
//
// +kubebuilder:validation:XValidation:rule="has(self.selector) || has(self.podSelector)",message="a stage needs a selector: write one with matchLabels, matchExpressions or matchAnnotations"
type DrainStage struct {
	RemovedPodSelectorField `json:",inline"`

	// selector of the stage's pods. A pod belongs to the first stage that selects it. It must be there.
	// ---
	// A rule says so, and not the schema: what the schema finds missing keeps the rule from naming what podSelector is now.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`
}

// PodWait says which pods are waited for.
//
// +kubebuilder:validation:XValidation:rule="has(self.selector) || has(self.podSelector)",message="waitForPods needs a selector: write one with matchLabels, matchExpressions or matchAnnotations"
type PodWait struct {
	RemovedPodSelectorField `json:",inline"`

	// selector of the pods that are waited for. Pods of DaemonSets and static pods do not count. It must be there.
	// ---
	// A rule says so, as in DrainStage.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`

	// timeoutSeconds is how long they are waited for. After it onTimeout says what happens.
	// +optional
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 604800",message="this is a number of seconds from 1 to 604800: write 1800 for 30m"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onTimeout says what happens when they have not finished in time: Continue goes on with the drain, Abort gives the node back and
	// counts as a failed attempt.
	// +optional
	// +kubebuilder:default=Continue
	// +kubebuilder:validation:XValidation:rule="self in ['Abort', 'Continue']",message="write Abort or Continue (Proceed is now Continue)"
	OnTimeout TimeoutAction `json:"onTimeout,omitempty"`
}
