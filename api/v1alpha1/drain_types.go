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

// PodWaitTimeoutAction says what happens when pods have not finished in time.
//
// +k8s:enum
type PodWaitTimeoutAction string

const (
	// PodWaitProceed goes on with the drain.
	PodWaitProceed PodWaitTimeoutAction = "Proceed"
	// PodWaitAbort gives the node back, and tries again later.
	PodWaitAbort PodWaitTimeoutAction = "Abort"
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

// DrainActivity says whether a drain gets anywhere.
// A program that is newer than the schema may write another value; see docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type DrainActivity string

const (
	// DrainProgressing means that a pod has left lately.
	DrainProgressing DrainActivity = "Progressing"
	// DrainStuck means that pods are left and none has gone for a minute.
	DrainStuck DrainActivity = "Stuck"
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
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || (!has(self.stages) && (!has(self.onTimeout) || self.onTimeout != 'Force'))",message="mode Skip evicts nothing: remove stages and onTimeout, or write 'mode: Drain'",fieldPath=".mode"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.volumeDetachSeconds) || self.volumeDetachSeconds == 0",message="mode Skip evicts nothing, so no volume is detached: remove volumeDetachSeconds, or write 'mode: Drain'",fieldPath=".volumeDetachSeconds"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'Skip' || !has(self.returningPods) || self.returningPods != 'Refuse'",message="mode Skip evicts nothing, so no pod returns: remove returningPods, or write 'mode: Drain'",fieldPath=".returningPods"
type DrainSpec struct {
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

	// adaptiveDelay is waited after a node has recovered and before the next one starts. It follows the recovery times that were measured.
	// Not set means no such delay.
	// +optional
	AdaptiveDelay AdaptiveDelay `json:"adaptiveDelay,omitempty,omitzero"`

	// delaySeconds is waited between the cordon and the first eviction.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	DelaySeconds *int32 `json:"delaySeconds,omitempty"`

	// timeoutSeconds is how long a drain may take. After it onTimeout says what happens.
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

	// volumeDetachSeconds is how long after the drain the volumes of the node may take to be detached before it reboots. After it the reboot
	// goes on, and a warning names those that are left. 0 means that none is waited for.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	VolumeDetachSeconds *int32 `json:"volumeDetachSeconds,omitempty"`
}

// DrainStage is a part of a node's pods.
type DrainStage struct {
	// podSelector is a label selector in its string form. A pod belongs to the first stage that selects it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	PodSelector string `json:"podSelector,omitempty"`
}

// PodWait says which pods are waited for.
type PodWait struct {
	// podSelector is a label selector in its string form. Pods of DaemonSets and static pods do not count.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	PodSelector string `json:"podSelector,omitempty"`

	// timeoutSeconds is how long they are waited for. After it onTimeout says what happens.
	// +optional
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// onTimeout says what happens when they have not finished in time: Proceed goes on with the drain, Abort gives the node back and counts
	// as a failed attempt.
	// +optional
	// +kubebuilder:default=Proceed
	OnTimeout PodWaitTimeoutAction `json:"onTimeout,omitempty"`
}

// AdaptiveDelay is a delay that follows the recovery times of a policy's last reboots.
//
// +kubebuilder:validation:XValidation:rule="self.minSeconds <= self.maxSeconds",message="minSeconds is more than maxSeconds: write the smaller number as minSeconds",fieldPath=".minSeconds"
type AdaptiveDelay struct {
	// minSeconds is the least delay.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	MinSeconds *int32 `json:"minSeconds,omitempty"`

	// maxSeconds is the most.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	MaxSeconds int32 `json:"maxSeconds,omitempty"`
}

// AdaptiveDelayStatus is what an adaptive delay comes to.
type AdaptiveDelayStatus struct {
	// delaySeconds is the delay before the next start.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	DelaySeconds int32 `json:"delaySeconds"`

	// recoverySeconds is how long recovery took in the slowest of the last reboots, without the slowest twentieth (p95).
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	RecoverySeconds int32 `json:"recoverySeconds"`

	// reboots is how many reboots that was measured in.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Reboots int32 `json:"reboots"`
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

	// emptyDir says whether pods with emptyDir volumes may be evicted.
	// +optional
	EmptyDir EmptyDirHandling `json:"emptyDir,omitempty"`

	// unmanaged says whether pods without a controller may be evicted.
	// +optional
	Unmanaged UnmanagedHandling `json:"unmanaged,omitempty"`

	// returningPods says whether a pod that keeps coming back holds up the drain. Not set means Ignore.
	// +optional
	ReturningPods ReturningPods `json:"returningPods,omitempty"`

	// stages are label selectors: the pods of one are gone before those of the next are evicted, pods of none go last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=1024
	Stages []string `json:"stages,omitempty"`

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

	// terminating lists evicted pods that do not end, and what holds them: those whose grace period has been over for 10 seconds, those that
	// only a finalizer keeps, and every terminating pod if the drain is stuck or about to time out.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=10
	Terminating []TerminatingPod `json:"terminating,omitempty"`

	// returned lists pods that their owner put back on the node after an eviction.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=10
	Returned []ReturnedPod `json:"returned,omitempty"`

	// activity says whether the drain gets anywhere: Stuck means that pods are left and none has gone for 60 seconds.
	// +optional
	Activity DrainActivity `json:"activity,omitempty"`
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

	// by names what refused the eviction, for example "PodDisruptionBudget web", or "The API server" if the answer does not tell.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	By string `json:"by,omitempty"`

	// message is the API server's own answer.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}

// TerminatingPod is a pod that was evicted and does not end.
type TerminatingPod struct {
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

	// heldBy says what holds it, for example "finalizer example.com/backup" or "its containers are still running".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	HeldBy string `json:"heldBy,omitempty"`
}

// ReturnedPod is a pod that its owner put back on the node after an eviction.
type ReturnedPod struct {
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

	// owner put it back: kind, group and name, for example "DaemonSet apps.kruise.io agent".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Owner string `json:"owner,omitempty"`

	// evictions is how many returned pods of this owner were evicted so far.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Evictions int32 `json:"evictions"`
}
