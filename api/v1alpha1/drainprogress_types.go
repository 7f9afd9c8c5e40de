package v1alpha1

import "slices"

// DrainActivity says whether a drain makes progress. A program that is newer than the schema may write another value; see
// docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type DrainActivity string

const (
	// DrainProgressing means that the drain is not stuck.
	DrainProgressing DrainActivity = "Progressing"
	// DrainStuck means that pods are left and none has gone for a minute.
	DrainStuck DrainActivity = "Stuck"
)

// DrainOrder tells the helper how to drain.
type DrainOrder struct {
	// gracePeriodSeconds overrides the pods' own termination grace period, in seconds.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// selector limits which pods are evicted. If not set, all are.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`

	// emptyDir says whether pods with emptyDir volumes may be evicted.
	// +optional
	EmptyDir EmptyDirHandling `json:"emptyDir,omitempty"`

	// unmanaged says whether pods without a controller may be evicted.
	// +optional
	Unmanaged UnmanagedHandling `json:"unmanaged,omitempty"`

	// returningPods says whether a pod that keeps coming back holds up the drain. If not set, it is Ignore.
	// +optional
	ReturningPods ReturningPods `json:"returningPods,omitempty"`

	// stages are selectors: all pods of one stage are gone before the next stage begins. Pods of no stage go last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Stages []PodSelector `json:"stages,omitempty"`

	// skipWaitForDeleteSeconds ends the wait for a pod that has been terminating for more than this many seconds.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	SkipWaitForDeleteSeconds *int32 `json:"skipWaitForDeleteSeconds,omitempty"`

	// leave names pods that stay on the node regardless of the rest of the order: the manager's pods, if no other node could run them.
	// +optional
	Leave PodsOfNamespace `json:"leave,omitempty,omitzero"`

	// retry names pods whose eviction a PodDisruptionBudget refused and may allow now. The helper tries a newly named pod again at once.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=10
	Retry []PodReference `json:"retry,omitempty"`

	// hold names pods whose eviction a PodDisruptionBudget would refuse. The helper does not try to evict them while they are named; if it
	// does not hear from the manager, it tries after 30 seconds.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Hold []HeldPod `json:"hold,omitempty"`
}

// Holds reports whether the order says that the eviction of a pod would be refused.
func (o *DrainOrder) Holds(namespace, name string) bool {
	return slices.ContainsFunc(o.Hold, func(p HeldPod) bool { return p.Namespace == namespace && p.Name == name })
}

// HeldPod is a pod whose eviction a PodDisruptionBudget would refuse.
type HeldPod struct {
	// namespace is the namespace of the pod and of the budget.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// budget is the name of the PodDisruptionBudget.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Budget string `json:"budget,omitempty"`
}

// PodReference names a pod.
type PodReference struct {
	// namespace is the namespace of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// PodsOfNamespace are pods of one namespace.
type PodsOfNamespace struct {
	// namespace is the namespace of the pods.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// selector selects the pods.
	// +required
	Selector PodSelector `json:"selector,omitempty,omitzero"`
}

// DrainProgress is the progress of a drain.
type DrainProgress struct {
	// total is how many pods had to leave when the drain began.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Total int32 `json:"total"`

	// remaining is how many are still there.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Remaining int32 `json:"remaining"`

	// refused lists pods whose last eviction was refused, and what refused it.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=10
	Refused []RefusedPod `json:"refused,omitempty"`

	// terminating lists evicted pods that do not terminate, and what holds them: pods whose grace period ended more than 10 seconds ago, pods
	// that only a finalizer keeps, and every terminating pod if the drain is stuck or about to time out.
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
	// +kubebuilder:validation:MaxItems=5
	Returned []ReturnedPod `json:"returned,omitempty"`

	// activity says whether the drain makes progress: Stuck means that pods are left and none has left for 60 seconds.
	// +optional
	Activity DrainActivity `json:"activity,omitempty"`

	// budgetWaitMilliseconds is how much earlier the drain would have ended if no PodDisruptionBudget had delayed an eviction. It is reported
	// when the drain ends, and missing if no budget did. Forecasts subtract it from the duration of the drain.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000000000
	BudgetWaitMilliseconds int64 `json:"budgetWaitMilliseconds,omitempty"`
}

// RefusedByBudget begins the field by of a RefusedPod whose eviction a PodDisruptionBudget refused; the budget's name follows.
const RefusedByBudget = "PodDisruptionBudget "

// RefusedPod is a pod that could not be evicted.
type RefusedPod struct {
	// namespace is the namespace of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Name string `json:"name,omitempty"`

	// by names what refused the eviction, for example "PodDisruptionBudget web", or "The API server" if its answer does not say.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	By string `json:"by,omitempty"`

	// message is the API server's own answer.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}

// TerminatingPod is a pod that was evicted and does not terminate.
type TerminatingPod struct {
	// namespace is the namespace of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Name string `json:"name,omitempty"`

	// heldBy says what holds it, for example "finalizer example.com/backup" or "its containers are still running".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	HeldBy string `json:"heldBy,omitempty"`
}

// ReturnedPod is a pod that its owner put back on the node after an eviction.
type ReturnedPod struct {
	// namespace is the namespace of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Name string `json:"name,omitempty"`

	// owner is what put the pod back: kind, group and name, for example "DaemonSet apps.kruise.io agent".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Owner string `json:"owner,omitempty"`

	// evictions is how many returned pods of this owner have been evicted so far.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Evictions int32 `json:"evictions"`
}
