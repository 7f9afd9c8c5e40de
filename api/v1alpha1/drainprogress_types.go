package v1alpha1

import "slices"

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

// DrainOrder carries what a policy says about the drain.
type DrainOrder struct {
	// gracePeriodSeconds overrides the pods' own termination grace period.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// selector limits which pods are evicted. Not set means all.
	// +optional
	Selector *PodSelector `json:"selector,omitempty"`

	// emptyDir says whether pods with emptyDir volumes may be evicted.
	// +optional
	EmptyDir EmptyDirHandling `json:"emptyDir,omitempty"`

	// unmanaged says whether pods without a controller may be evicted.
	// +optional
	Unmanaged UnmanagedHandling `json:"unmanaged,omitempty"`

	// returningPods says whether a pod that keeps coming back holds up the drain. Not set means Ignore.
	// +optional
	ReturningPods ReturningPods `json:"returningPods,omitempty"`

	// stages are selectors: the pods of one are gone before those of the next are evicted, pods of none go last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Stages []PodSelector `json:"stages,omitempty"`

	// skipWaitForDeleteSeconds stops waiting for a pod that has been terminating for longer.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	SkipWaitForDeleteSeconds *int32 `json:"skipWaitForDeleteSeconds,omitempty"`

	// leave names pods that stay on the node, whatever else the order says: the manager's, where it could run on no other node.
	// +optional
	Leave PodsOfNamespace `json:"leave,omitempty,omitzero"`

	// retry names pods whose eviction a PodDisruptionBudget refused, and may allow now. A pod that is named and was not before is tried again
	// at once.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=10
	Retry []PodReference `json:"retry,omitempty"`

	// hold names pods whose eviction a PodDisruptionBudget would refuse, so that it is not asked for while they are named. In case nothing is
	// heard of the manager, it is asked for after 30 seconds.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Hold []HeldPod `json:"hold,omitempty"`
}

// Holds tells whether the order says that the eviction of a pod would be refused.
func (o *DrainOrder) Holds(namespace, name string) bool {
	return slices.ContainsFunc(o.Hold, func(p HeldPod) bool { return p.Namespace == namespace && p.Name == name })
}

// HeldPod is a pod whose eviction a PodDisruptionBudget would refuse.
type HeldPod struct {
	// namespace of the pod and of the budget.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the pod.
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
}

// PodsOfNamespace are pods of one namespace.
type PodsOfNamespace struct {
	// namespace of the pods.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// selector of the pods.
	// +required
	Selector PodSelector `json:"selector,omitempty,omitzero"`
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
	// +kubebuilder:validation:MaxItems=5
	Returned []ReturnedPod `json:"returned,omitempty"`

	// activity says whether the drain gets anywhere: Stuck means that pods are left and none has gone for 60 seconds.
	// +optional
	Activity DrainActivity `json:"activity,omitempty"`

	// budgetWaitMilliseconds is how much earlier the drain would have ended if no PodDisruptionBudget had delayed an eviction. It is reported
	// when the drain ends. Forecasts subtract it from the duration of the drain.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000000000000
	BudgetWaitMilliseconds int64 `json:"budgetWaitMilliseconds,omitempty"`
}

// RefusedByBudget begins the field by of a RefusedPod whose eviction a PodDisruptionBudget refused; the budget's name follows.
const RefusedByBudget = "PodDisruptionBudget "

// RefusedPod is a pod that could not be evicted.
type RefusedPod struct {
	// namespace of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Namespace string `json:"namespace,omitempty"`

	// name of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Name string `json:"name,omitempty"`

	// by names what refused the eviction, for example "PodDisruptionBudget web", or "The API server" if the answer does not tell.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	By string `json:"by,omitempty"`

	// message is the API server's own answer.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}

// TerminatingPod is a pod that was evicted and does not end.
type TerminatingPod struct {
	// namespace of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Namespace string `json:"namespace,omitempty"`

	// name of the pod.
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
	// namespace of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Namespace string `json:"namespace,omitempty"`

	// name of the pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-a-z0-9.]+$`
	Name string `json:"name,omitempty"`

	// owner put it back: kind, group and name, for example "DaemonSet apps.kruise.io agent".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Owner string `json:"owner,omitempty"`

	// evictions is how many returned pods of this owner were evicted so far.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Evictions int32 `json:"evictions"`
}
