package v1alpha1

// WorkloadKind is a kind of workload that a recovery waits for. A program that is newer than the schema may write another value; see
// docs/adr/0028-versions-of-helpers.md.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
type WorkloadKind string

const (
	// WorkloadDeployment is a Deployment; ready is its ready replicas.
	WorkloadDeployment WorkloadKind = "Deployment"
	// WorkloadStatefulSet is a StatefulSet; ready is its ready replicas.
	WorkloadStatefulSet WorkloadKind = "StatefulSet"
	// WorkloadPodDisruptionBudget is a PodDisruptionBudget; ready is its healthy pods.
	WorkloadPodDisruptionBudget WorkloadKind = "PodDisruptionBudget"
	// WorkloadDaemonSet is a DaemonSet; ready is 1 when its pod on the node is ready.
	WorkloadDaemonSet WorkloadKind = "DaemonSet"
	// WorkloadStaticPod is a pod that the kubelet runs from a file, such as etcd; ready is 1.
	WorkloadStaticPod WorkloadKind = "StaticPod"
)

// WorkloadRef is a workload that had pods on the node when the attempt began.
type WorkloadRef struct {
	// kind is the kind of the workload.
	// +required
	Kind WorkloadKind `json:"kind,omitempty"`

	// namespace is the namespace of the workload.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the workload.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// ready is how many of its pods were ready before the drain.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	Ready int32 `json:"ready"`

	// pods is how many of those were on the node, and have to leave it in a drain. While other nodes under way have displaced, and wait for,
	// at least as many pods of the workload as are missing, this node does not wait for the workload.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	Pods int32 `json:"pods,omitempty"`
}
