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
	// DrainTimeoutAbort ends the attempt, restores the node, and tries again later.
	DrainTimeoutAbort DrainTimeoutAction = "Abort"
	// DrainTimeoutForce reboots the node with the pods that are left.
	DrainTimeoutForce DrainTimeoutAction = "Force"
)

// ReturningPods says what happens when evicted pods keep coming back to the cordoned node.
//
// +k8s:enum
type ReturningPods string

const (
	// ReturningPodsIgnore continues without waiting for them.
	ReturningPodsIgnore ReturningPods = "Ignore"
	// ReturningPodsRefuse does not complete the drain while such a pod is on the node.
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
	// DrainForced means that the drain ran out of time, and the policy reboots the node regardless.
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

	// mode says whether nodes are drained: Drain evicts their pods; Skip cordons nodes and reboots them with their pods. Defaults to Drain.
	// +optional
	// +kubebuilder:default=Drain
	Mode DrainMode `json:"mode,omitempty"`

	// emptyDir says what happens to pods with emptyDir volumes: Delete evicts them, and the data is lost; Refuse does not start a node that
	// has such a pod. Defaults to Delete.
	// +optional
	// +kubebuilder:default=Delete
	EmptyDir EmptyDirHandling `json:"emptyDir,omitempty"`

	// unmanaged says what happens to pods without a controller: Evict evicts them, and they do not come back; Refuse does not start a node
	// that has such a pod. Defaults to Evict.
	// +optional
	// +kubebuilder:default=Evict
	Unmanaged UnmanagedHandling `json:"unmanaged,omitempty"`

	// returningPods says what happens to a pod that its owner keeps putting back on the cordoned node. Such a pod is evicted up to three times
	// for each owner, with growing pauses, and is named in the progress of the drain. After that, Ignore no longer waits for it, and it goes
	// down with the host; Refuse waits for it until the drain times out. Defaults to Ignore.
	// +optional
	// +kubebuilder:default=Ignore
	ReturningPods ReturningPods `json:"returningPods,omitempty"`

	// stages drain a node in parts: all pods of a stage are gone before the next stage begins. Pods of no stage go last. If not set, all pods
	// are evicted together.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Stages []DrainStage `json:"stages,omitempty"`

	// waitForPods lets pods finish on the cordoned node before anything is evicted. If not set, no pod is waited for.
	// +optional
	WaitForPods PodWait `json:"waitForPods,omitempty,omitzero"`

	// onTimeout says what happens when the drain takes longer than timeoutSeconds: Abort ends the attempt, restores the node and tries again
	// later; Force reboots the node with the pods that are left. Defaults to Abort.
	// +optional
	// +kubebuilder:default=Abort
	OnTimeout DrainTimeoutAction `json:"onTimeout,omitempty"`

	// delaySeconds is how many seconds to wait between the cordon and the first eviction. 0 means no wait. Defaults to 0.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="must be a number of seconds from 0 to 86400: write 1800 for 30m"
	DelaySeconds *int32 `json:"delaySeconds,omitempty"`

	// timeoutSeconds is how many seconds a drain may take before onTimeout applies. Defaults to 600 (10 minutes).
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 86400",message="must be a number of seconds from 1 to 86400: write 1800 for 30m"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// gracePeriodSeconds overrides the termination grace period, in seconds, of every evicted pod. 0 ends pods at once. If not set, each pod
	// has its own.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="must be a number of seconds from 0 to 86400: write 1800 for 30m"
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// selector selects the pods to evict. All other pods stay, and go down with the host. If not set, all pods are evicted, except those of
	// DaemonSets and static pods.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`

	// skipWaitForDeleteSeconds ends the wait for a pod that has been terminating for more than this many seconds. If not set, the drain waits
	// for every pod.
	// +optional
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 86400",message="must be a number of seconds from 1 to 86400: write 1800 for 30m"
	SkipWaitForDeleteSeconds *int32 `json:"skipWaitForDeleteSeconds,omitempty"`

	// volumeDetachSeconds is how many seconds after the drain the node's volumes may take to detach before the node reboots. After that the
	// node reboots regardless, and a warning names the volumes that are still attached. If not set, the reboot waits for no volume.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self != 0",message="write how many seconds to wait for volumes, or remove volumeDetachSeconds to wait for none"
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 0 && self <= 86400",message="must be a number of seconds from 1 to 86400: write 1800 for 30m"
	VolumeDetachSeconds *int32 `json:"volumeDetachSeconds,omitempty"`

	// excludeFromLoadBalancers takes a node out of external load balancers before its pods are evicted. If not set, the node stays in them.
	// +optional
	ExcludeFromLoadBalancers *LoadBalancerExclusion `json:"excludeFromLoadBalancers,omitempty"`
}

// DrainStage selects the pods that one stage of a drain evicts.
//
// +kubebuilder:validation:XValidation:rule="has(self.selector) || has(self.podSelector)",message="a stage needs a selector: write one with matchLabels, matchExpressions or matchAnnotations"
type DrainStage struct {
	RemovedPodSelectorField `json:",inline"`

	// selector selects the pods of the stage. It is required. A pod belongs to the first stage that selects it.
	// ---
	// A rule requires it, not the schema: if the schema found it missing, the rule could not say what podSelector is now.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`
}

// PodWait says which pods may finish before the drain, and for how long the drain waits for them.
//
// +kubebuilder:validation:XValidation:rule="has(self.selector) || has(self.podSelector)",message="waitForPods needs a selector: write one with matchLabels, matchExpressions or matchAnnotations"
type PodWait struct {
	RemovedPodSelectorField `json:",inline"`

	// selector selects the pods to wait for. It is required. Pods of DaemonSets and static pods are never waited for.
	// ---
	// A rule requires it, as in DrainStage.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`

	// timeoutSeconds is how many seconds to wait for the pods before onTimeout applies. Defaults to 3600 (1 hour).
	// +optional
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Type=""
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="type(self) == int && self >= 1 && self <= 604800",message="must be a number of seconds from 1 to 604800: write 1800 for 30m"
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onTimeout says what happens when the pods have not finished in time: Continue starts the drain; Abort ends the attempt, which counts as
	// failed, and restores the node. Defaults to Continue.
	// +optional
	// +kubebuilder:default=Continue
	// +kubebuilder:validation:XValidation:rule="self in ['Abort', 'Continue']",message="write Abort or Continue (Proceed is now Continue)"
	OnTimeout TimeoutAction `json:"onTimeout,omitempty"`
}
